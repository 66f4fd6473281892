"""The directories of dead reapers, until nothing in them is needed.

Owns when one is removed: when the ends of its runs are on record, and no process can print into a
FIFO of it any more. Its journal stays as long: it says whose output a FIFO is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Set

from torch.reaper import fronts, journal

_FILES = ("journal.new", "journal", "socket", *fronts.FILES)
"""All that there is in one, beside FIFOs."""


class Remains:
    def __init__(self) -> None:
        self._needed: dict[str, set[str]] = {}  # directory -> runs to be recorded

    def keep(self, directory: str, needed: Set[str]) -> None:
        """It is removed when the ends of these runs are on record."""
        self._needed[directory] = {*needed}
        said = journal.read(f"{directory}/journal", probe=False)
        used = {each.fifo for each in said.runs.values()}
        for path in _fifos(directory):
            if path not in used:  # nobody has it open
                with contextlib.suppress(OSError):
                    os.unlink(path)
        self.tidy()

    def forget(self, run_ids: Iterable[str]) -> None:
        """Their ends are on record."""
        ended = [*run_ids]
        for needed in self._needed.values():
            needed.difference_update(ended)
        self.tidy()

    def tidy(self) -> None:
        """Removes what nothing needs. Some output may have been closed since the last time."""
        for directory, needed in [*self._needed.items()]:
            if needed or _fifos(directory):
                continue
            for name in _FILES:
                with contextlib.suppress(OSError):
                    os.unlink(f"{directory}/{name}")
            try:
                os.rmdir(directory)
            except OSError:  # the next look, or service, removes it
                if os.path.isdir(directory):
                    continue
            del self._needed[directory]


def _fifos(directory: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return [f"{directory}/{name}" for name in names if name.startswith("out-")]
