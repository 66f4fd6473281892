"""Reading a file or a directory to import, with an error for what cannot be read."""

from __future__ import annotations

import os
import sys

from torch.errors import NotPermitted, Problem, TaskFileError, TorchError, UsageError

LIMIT = 8 * 1024 * 1024
"""Largest file that is read, in bytes; a task file's limit."""


def read(path: str) -> bytes:
    """The bytes of a file, `-` is standard input. Raises TorchError."""
    if path == "-":
        return _limited(path, sys.stdin.buffer.read(LIMIT + 1))
    try:
        with open(path, "rb") as file:
            return _limited(path, file.read(LIMIT + 1))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def listed(folder: str) -> list[str]:
    """The names in a directory, sorted. Raises TorchError."""
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise unreadable(folder, error) from error


def unreadable(path: str, error: Exception) -> TorchError:
    if isinstance(error, PermissionError):
        return NotPermitted(f"{path} cannot be read by this user", hint="run as root")
    return UsageError(f"{path} cannot be read: {reason(error)}", hint="for standard input, write -")


def reason(error: Exception) -> str:
    """'no such file or directory'"""
    if isinstance(error, OSError):
        return (error.strerror or "").lower()
    return "not a valid file name"


def _limited(name: str, data: bytes) -> bytes:
    if len(data) > LIMIT:
        message = f"the file is larger than {LIMIT // 2**20} MiB"
        raise TaskFileError((Problem(file=name, line=0, column=0, key="", message=message),))
    return data
