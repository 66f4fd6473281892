r"""The percent sign in a crontab's command: what the shell gets, and what its input is.

Owns that rule, read from Debian's cron (`do_command.c`, 3.0pl1-162): up to the first bare `%`
it is the command, in which `\%` and `\\` lose a backslash; behind it is the input, in which `%`
is a line end and `\%` a percent sign; the input's last line is ended if it is not.
"""

from __future__ import annotations

import posixpath

_SHELLS = frozenset("sh dash bash ksh mksh zsh ash busybox".split())
_END = "END-OF-INPUT"


def split(text: str) -> tuple[str, str]:
    """(command, its standard input; '' where there is none)."""
    command, at = [], 0
    while at < len(text):
        character = text[at]
        if character == "\\" and text[at + 1 : at + 2] in ("%", "\\"):
            at += 1
            character = text[at]
        elif character == "\\":  # and what follows it is taken as it is
            command.append(character)
            at += 1
            character = text[at : at + 1]
        elif character == "%":
            return "".join(command), _input(text[at + 1 :])
        command.append(character)
        at += 1
    return "".join(command), ""


def _input(text: str) -> str:
    """What cron writes to the command: an escape holds on over further backslashes."""
    written: list[str] = []
    escaped, ended = False, True  # of nothing but backslashes, the last line stays open
    for character in text:
        if escaped:
            if character != "%":
                written.append("\\")
        elif character == "%":
            character = "\n"
        escaped = character == "\\"
        if not escaped:
            written.append(character)
            ended = character == "\n"
    return "".join(written) + ("\\" if escaped else "") + ("" if ended else "\n")


def is_posix(shell: str) -> bool:
    """Whether a shell takes the lines that are put in front of a command here."""
    return posixpath.basename(shell) in _SHELLS


def with_input(command: str, data: str, shell: str) -> str | None:
    """The command with its input handed over inside; None where the shell knows no way.

    `exec <<` turns the shell's own input, so that the command itself stays as it is.
    """
    if not data:
        return command
    if not is_posix(shell) or not data.endswith("\n"):
        return None
    end, count = _END, 1
    lines = data.split("\n")
    while end in lines:
        count += 1
        end = f"{_END}-{count}"
    return f"exec <<'{end}'\n{data}{end}\n{command}"
