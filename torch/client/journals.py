"""Which runs are active, and whose output may still grow, from the journals of the reapers.

Owns reading them from outside the service. It only reads, and blocks no other process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from torch.reaper import journal, processes
from torch.reaper.journal import Said
from torch.settings import Settings


def said(settings: Settings) -> dict[str, Said]:
    """Run id -> what the journal of its reaper says."""
    found: dict[str, Said] = {}
    for directory in _directories(settings):
        for run_id, each in journal.read(f"{directory}/journal", probe=False).runs.items():
            if run_id not in found or each.begun:
                found[run_id] = each
    return found


def alive(settings: Settings) -> dict[str, Said]:
    """The runs whose first process lives: it is still the one that the journal speaks of."""
    return {run_id: each for run_id, each in said(settings).items() if _lives(each)}


def _lives(each: Said) -> bool:
    if each.pid is None or each.ended is not None:
        return False
    seen = processes.stat(each.pid)
    return seen is not None and processes.is_same(seen, each.birth) and seen.state not in "ZX"


def writing(settings: Settings) -> set[str]:
    """Run ids of which something may still print, or that have not ended."""
    found = set()
    for run_id, each in said(settings).items():
        if (each.fifo and os.path.lexists(each.fifo)) or (each.begun and each.ended is None):
            found.add(run_id)
    return found


def _directories(settings: Settings) -> Iterator[str]:
    return (f"{settings.reapers}/{name}" for name in _listed(settings.reapers))


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []
