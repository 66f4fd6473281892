"""Between the loop and the history: nothing starts without its intent on disk.

Owns what is still to be written. A batch that the history refuses loses its intents (the
core is told, and they do not start); everything else in it is owed and tried again every
second, in order, until the disk is writable: no end of a run is forgotten. A file that is
damaged is set aside, and the batch goes into a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.clock import Now
from torch.event import Event, HistoryRecovered, HistoryReopened, HistorySetAside
from torch.history.store import HistoryDamaged, HistoryError, Store
from torch.schedule.record import Progress, Record, Step, withheld

RETRY = 1.0
"""Seconds between tries to write what is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a batch. `refused`: intents that must not start. `failed`: why, '' if the
    batch is on disk and the refused ones merely lost their identity to an earlier row.
    `reset`: it stands in a new history, which knows nothing of what was before the batch."""

    refused: frozenset[str] = frozenset()
    failed: str = ""
    ended: tuple[str, ...] = ()  # run ids whose end is on disk now
    reset: bool = False


class Recorder:
    def __init__(
        self, store: Store, *, boot_id: str, tell: Callable[[Event], None],
        is_ours: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """`is_ours`: whether the directory of the history is still this service's."""
        self._store = store
        self._is_ours = is_ours
        self._boot_id = boot_id
        self._tell = tell
        self._owed: list[Record] = []
        self._failing_since: float | None = None
        self._reset = False  # another history is in use, and nothing is written in it yet

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def write(self, batch: list[Record], now: Now) -> Written:
        """Writes the batch, after anything owed. With nothing to write it does nothing."""
        records = [*self._owed, *batch]
        if not records:
            return Written()
        try:
            refused = self._commit(records, now)
        except HistoryError as error:
            return self._fail(batch, str(error), now)
        self._owed = []
        reset, self._reset = self._reset, False
        if self._failing_since is not None:
            self._tell(HistoryRecovered(seconds=now.mono - self._failing_since))
            self._failing_since = None
        ended = tuple(i for r in records for i in _ends(r))
        return Written(refused=refused, ended=ended, reset=reset)

    def _commit(self, records: list[Record], now: Now) -> frozenset[str]:
        durable = any(fact.durable for record in records for fact in record.facts)
        try:
            return self._store.commit(records, at=now.wall, boot_id=self._boot_id, durable=durable)
        except HistoryDamaged as error:
            reason = str(error)
        if not self._renew(reason, now, refused=False):
            try:
                return self._store.commit(records, at=now.wall, boot_id=self._boot_id)
            except HistoryDamaged as error:
                self._renew(str(error), now, refused=True)
        return self._store.commit(records, at=now.wall, boot_id=self._boot_id)

    def _renew(self, reason: str, now: Now, *, refused: bool) -> bool:
        """Whether a new file was begun. Raises HistoryError."""
        if not self._is_ours():
            raise HistoryError(f"{reason}, and the directory no longer belongs to this service")
        renewed = self._store.begin_anew(at=now.wall, reason=reason, refused=refused)
        self._reset = self._reset or not renewed.same
        if renewed.aside is None:
            self._tell(HistoryReopened(reason=reason))
            return False
        if not renewed.aside:  # there was no file to move, which would have been told
            self._tell(HistorySetAside(path="", reason=reason))
        return True

    def _fail(self, batch: list[Record], reason: str, now: Now) -> Written:
        if self._failing_since is None:
            self._failing_since = now.mono
        refused, owed = withheld(batch)
        self._owed += owed
        return Written(refused=refused, failed=reason)


def _ends(record: Record) -> tuple[str, ...]:
    return tuple(p.run.id for p in record.of(Progress) if p.step is Step.ENDED)
