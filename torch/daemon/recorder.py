"""Between the loop and the history: nothing starts without its intent on disk.

Owns what is still to be written. A batch that the history refuses loses its intents (the
core is told, and they do not start); everything else in it is owed and tried again every
second, in order, until the disk is writable: no end of a run is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch.clock import Now
from torch.event import Event, HistoryRecovered
from torch.history.store import HistoryError, Store
from torch.schedule.messages import Record

RETRY = 1.0
"""Seconds between tries to write what is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a batch. `refused`: intents that must not start. `failed`: why, '' if the
    batch is on disk and the refused ones merely lost their identity to an earlier row."""

    refused: frozenset[str] = frozenset()
    failed: str = ""
    ended: tuple[str, ...] = ()  # run ids whose end is on disk now


class Recorder:
    def __init__(self, store: Store, *, boot_id: str, tell: Callable[[Event], None]) -> None:
        self._store = store
        self._boot_id = boot_id
        self._tell = tell
        self._owed: list[Record] = []
        self._failing_since: float | None = None

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def write(self, batch: list[Record], now: Now) -> Written:
        """Writes the batch, after anything owed. With nothing to write it does nothing."""
        records = [*self._owed, *batch]
        if not records:
            return Written()
        durable = any(r.entries or r.definitions or r.rebooted or _ends(r) for r in records)
        try:
            refused = self._store.commit(
                records, at=now.wall, boot_id=self._boot_id, durable=durable
            )
        except HistoryError as error:
            return self._fail(batch, str(error), now)
        self._owed = []
        if self._failing_since is not None:
            self._tell(HistoryRecovered(seconds=now.mono - self._failing_since))
            self._failing_since = None
        return Written(refused=refused, ended=tuple(i for r in records for i in _ends(r)))

    def _fail(self, batch: list[Record], reason: str, now: Now) -> Written:
        if self._failing_since is None:
            self._failing_since = now.mono
        intents = frozenset(e.run.id for r in batch for e in r.entries if e.ending is None)
        for record in batch:
            kept = tuple(e for e in record.entries if e.ending is not None)
            progress = tuple(p for p in record.progress if p.run_id not in intents)
            owed = replace(record, entries=kept, progress=progress, rebooted=False)
            if owed.entries or owed.progress or owed.definitions or owed.watermark is not None:
                self._owed.append(owed)
        return Written(refused=intents, failed=reason)


def _ends(record: Record) -> tuple[str, ...]:
    return tuple(p.run_id for p in record.progress if p.ending is not None)
