"""The programs in front of a command, nice and setpriv: under names that are ours.

Owns two symbolic links in the reaper's directory. What is executed through one has its name
(/proc/PID/stat) until it executes something else, so a process that ends with such a name never
became the command; a command that is `nice` or `setpriv` itself has the name that everybody's has.
The directory is private: nice and setpriv are executed before the user changes, and the command by
its own path.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence

from torch.reaper import processes

# uutils, which goes by the path and not by the first argument, strips a prefix with a hyphen.
_PREFIX = "torch-"

NAMES = {f"{_PREFIX}{program}": program for program in ("nice", "setpriv")}
"""The name of a process, at most 15 bytes, and the program that it still is."""


FILES = (*NAMES, *(f"{name}.new" for name in NAMES))
"""All that there may be of ours in the directory of a reaper."""


CODES = (1, 125, 126, 127)
"""With which they end when they could not start what comes after them."""


def still(pid: int) -> str:
    """Which of them this process is, or was to its end if it has not been reaped; '' for none: a
    process has the name of what it executed last."""
    seen = processes.stat(pid)
    return "" if seen is None else NAMES.get(seen.name, "")


class Fronts:
    def __init__(self, directory: str) -> None:
        self._directory = directory

    def put(self, argv: Sequence[bytes], at: Iterable[int]) -> tuple[bytes, list[bytes]]:
        """(what to execute, its arguments): the programs at these places are executed through our
        links. Raises OSError.

        The first keeps its own first argument, by which many programs in one file (busybox) know
        what they are; the others are started by the one before, under the name of the link.
        """
        program, args = argv[0], [*argv]
        for place in at:
            link = self._link(args[place])
            if place:
                args[place] = link
            else:
                program = link
        return program, args

    def _link(self, program: bytes) -> bytes:
        name = _PREFIX + os.fsdecode(os.path.basename(program))
        if name not in NAMES:
            return program
        path = os.fsencode(f"{self._directory}/{name}")
        with contextlib.suppress(OSError):  # missing, or not a link
            if os.readlink(path) == program:
                return path
        new = path + b".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        try:
            os.symlink(program, new)
        except FileNotFoundError:  # somebody took the folder away
            os.umask(0o077)
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            os.symlink(program, new)
        os.rename(new, path)
        return path

    def clear(self) -> None:
        for name in FILES:
            with contextlib.suppress(OSError):
                os.unlink(f"{self._directory}/{name}")
