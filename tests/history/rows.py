"""Records as the tests of the history write them, and a store to write them to."""

from __future__ import annotations

from pathlib import Path

from torch.clock import FireTime
from torch.history.store import Store
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.messages import Entry, Progress, Record

T0 = 1_800_000_000


def run(run_id: str, task: str = "a", fire: int | None = T0, trigger=Trigger.SCHEDULE) -> Run:
    at = None if fire is None else FireTime(fire)
    return Run(id=run_id, task=task, trigger=trigger, fire_time=at, version="v1")


def intent(run_id: str, task: str = "a", fire: int | None = T0, **keys) -> Record:
    return Record(entries=(Entry(run=run(run_id, task, fire, **keys)),))


def never(run_id: str, outcome: Outcome, task: str = "a", fire: int = T0, **keys) -> Record:
    """A fire that never became a run."""
    ending = Ending(outcome=outcome, reason="why")
    return Record(entries=(Entry(run=run(run_id, task, fire), ending=ending, **keys),))


def started(run_id: str, at: float = T0 + 0.25, pid: int = 77) -> Record:
    return Record(progress=(Progress(run_id=run_id, at=at, pid=pid),))


def ended(run_id: str, outcome=Outcome.SUCCEEDED, at: float = T0 + 5.5, **keys) -> Record:
    ending = Ending(outcome=outcome, **keys)
    return Record(progress=(Progress(run_id=run_id, at=at, ending=ending),))


def commit(store: Store, *records: Record, at: float = T0) -> frozenset[str]:
    return store.commit(records, at=at, boot_id="boot-1")


def opened(folder: Path) -> Store:
    return Store(str(folder / "history.db"))
