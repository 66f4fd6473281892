"""Records as the tests of the history write them, and a store to write them to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.clock import FireTime
from torch.history.store import Store
from torch.run import Ending, Outcome, Run, Trigger, Usage
from torch.schedule.record import Defined, Entry, Paused, Pausing, Progress, Record, Step
from torch.task import Task

T0 = 1_800_000_000


def run(run_id: str, task: str = "a", fire: int | None = T0, trigger=Trigger.SCHEDULE) -> Run:
    at = None if fire is None else FireTime(fire)
    return Run(id=run_id, task=task, trigger=trigger, fire_time=at, version="v1")


def intent(run_id: str, task: str = "a", fire: int | None = T0, **keys) -> Record:
    return Record((Entry(run=run(run_id, task, fire, **keys)),))


def never(run_id: str, outcome: Outcome, task: str = "a", fire: int = T0, **keys) -> Record:
    """A fire that never became a run."""
    ending = Ending(outcome=outcome, reason="why")
    return Record((Entry(run=run(run_id, task, fire), ending=ending, **keys),))


def step(of: str | Run, kind: Step, at: float, **keys) -> Record:
    """`of`: a run, or the id of one that has a row."""
    about = run(of, "lost", None) if isinstance(of, str) else of
    return Record((Progress(run=about, step=kind, at=at, **keys),))


def offered(of: str | Run, at: float = T0 + 0.1) -> Record:
    return step(of, Step.OFFERED, at)


def started(of: str | Run, at: float = T0 + 0.25, pid: int = 77) -> Record:
    return step(of, Step.STARTED, at, pid=pid)


def stopping(of: str | Run, outcome=Outcome.KILLED, at: float = T0 + 3, **keys) -> Record:
    return step(of, Step.STOPPING, at, ending=Ending(outcome=outcome, **keys))


def ended(
    of: str | Run, outcome=Outcome.SUCCEEDED, at: float = T0 + 5.5, usage: Usage | None = None,
    **keys,
) -> Record:  # fmt: skip
    return step(of, Step.ENDED, at, ending=Ending(outcome=outcome, **keys), usage=usage)


def defined(task: str, digest: str, since: int = T0, **keys) -> Record:
    """A definition in force from `since` on; a digest of '': the task left the file."""
    found = Task(**{"name": task, "command": "true", "digest": digest, **keys}) if digest else None
    return Record((Defined(name=task, since=FireTime(since), task=found),))


def paused(task: str, pause: Paused | None) -> Record:
    return Record((Pausing(task=task, pause=pause),))


def commit(store: Store, *records: Record, at: float = T0) -> frozenset[str]:
    return store.commit(records, at=at, boot_id="boot-1")


def opened(folder: Path) -> Store:
    return Store(str(folder / "history.db"))


def sql(store: Store, text: str, *values: object) -> list[Any]:
    """All rows of a statement on the store's own connection."""
    assert store._db is not None
    return store._db.execute(text, values).fetchall()


def pragma(store: Store, text: str) -> object:
    """Sets or reads one: 'query_only = 1' breaks its disk."""
    rows = sql(store, f"PRAGMA {text}")
    return rows[0][0] if rows else None
