"""A history in memory. It keeps the promises of `torch.history.store.Store` that the core leans
on (one contract suite checks both): all or nothing, one row a firing, finished rows stay so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch.clock import FireTime
from torch.run import Ending, Outcome, Run, State
from torch.schedule.messages import Definition, Entry, Progress, Record


class DiskFull(Exception):
    """What a broken FakeHistory raises: nothing of the records was taken."""


@dataclass(slots=True)
class Row:
    """One disposition. `count` fires from `run.fire_time` to `last` in a collapsed one."""

    run: Run
    state: State
    ending: Ending | None = None
    count: int = 1
    last: FireTime | None = None
    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def outcome(self) -> Outcome | None:
        return self.ending.outcome if self.ending else None


class FakeHistory:
    """Set `broken` to a reason and every commit fails with it, until it is '' again."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}  # by run id, in the order of recording
        self.definitions: dict[str, Definition] = {}
        self.watermark: FireTime | None = None
        self.broken = ""
        self._identities: set[tuple[str, FireTime, int]] = set()

    def commit(self, records: Iterable[Record], *, at: float) -> frozenset[str]:
        """Takes the records; returns the run ids that lost to an earlier row of their firing."""
        if self.broken:
            raise DiskFull(self.broken)
        lost = set()
        for record in records:
            lost |= {e.run.id for e in record.entries if not self._insert(e, at)}
            for progress in record.progress:
                self._update(progress)
            self.definitions |= {d.task: d for d in record.definitions}
            if record.watermark is not None:
                self.watermark = record.watermark
        return frozenset(lost)

    def decided(self) -> dict[str, tuple[str, FireTime]]:
        """Task -> (digest of its last definition, up to where its fires are decided)."""
        found = {}
        for task, definition in self.definitions.items():
            fires = [at for name, at, _ in self._identities if name == task]
            decided = max(definition.since, self.watermark or FireTime(0), *fires)
            found[task] = (definition.digest, decided)
        return found

    def _insert(self, entry: Entry, at: float) -> bool:
        run, ending = entry.run, entry.ending
        if run.fire_time is not None:
            identity = (run.task, run.fire_time, run.attempt)
            if identity in self._identities:
                return False
            self._identities.add(identity)
        if run.id in self.rows:
            return False
        state, ended_at = (State.FINISHED, at) if ending else (State.INTENT, None)
        self.rows[run.id] = Row(run, state, ending, entry.count, entry.last, ended_at=ended_at)
        return True

    def _update(self, progress: Progress) -> None:
        row = self.rows.get(progress.run_id)
        if row is None or row.state is State.FINISHED:
            return
        if progress.ending is None:
            row.state, row.pid, row.started_at = State.RUNNING, progress.pid, progress.at
        else:
            row.state, row.ending, row.ended_at = State.FINISHED, progress.ending, progress.at
