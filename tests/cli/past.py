"""A made-up past in a real history, and `torch explain` asked about it at a made-up time."""

from __future__ import annotations

import os
from pathlib import Path

from tests.history.rows import T0
from torch.clock import FireTime
from torch.daemon import lock
from torch.explain import question
from torch.explain.evidence import Evidence
from torch.explain.fates import Explanation
from torch.explain.gathering import Gathering
from torch.history.store import Store
from torch.run import Ending, Outcome, Run, Trigger, Usage
from torch.schedule.record import (
    Defined,
    Entry,
    File,
    Paused,
    Pausing,
    Progress,
    Record,
    Step,
    Watermark,
)
from torch.settings import resolve
from torch.task import Task

HOUR = 3600
DAY = 24 * HOUR
BEGIN = T0 - 30 * DAY


class Past:
    """T0 is 2027-01-15 08:00:00 UTC. A service lived from BEGIN on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = resolve(
            {}, uid=1, state_dir=str(folder), task_file=str(folder / "tasks.yaml"),
            address="10.0.0.1",
        )  # fmt: skip
        self.store = Store(self.settings.history)
        self.store.begin_service(pid=1, boot_id="b", at=BEGIN)
        self._fd: int | None = None
        self._count = 0

    def close(self) -> None:
        self.store.close()
        if self._fd is not None:
            os.close(self._fd)

    # ── what happened ─────────────────────────────────────────────────────────────────────

    def commit(self, record: Record, at: float) -> None:
        self.store.commit([record], at=at, boot_id="b")

    def defined(self, task: Task, *, at: int = BEGIN, version: str = "v1") -> None:
        definition = Defined(name=task.name, since=FireTime(at), task=task)
        self.commit(Record((definition, File(version=version, commit=None))), at)

    def removed(self, name: str, *, at: int) -> None:
        definition = Defined(name=name, since=FireTime(at), task=None)
        self.commit(Record((definition,)), at)

    def paused(self, name: str, *, since: int, until: float | None = None) -> None:
        pause = Paused(since=FireTime(since), until=until)
        self.commit(Record((Pausing(task=name, pause=pause),)), since)

    def intent(
        self, task: str, fire: int | None, *, not_before: float | None = None, attempt: int = 1,
        trigger: Trigger = Trigger.SCHEDULE, at: float | None = None,
    ) -> Run:  # fmt: skip
        self._count += 1
        run = Run(
            id=f"r{self._count}", task=task, trigger=trigger, attempt=attempt, version="v1",
            fire_time=None if fire is None else FireTime(fire),
        )  # fmt: skip
        when = at if at is not None else float(fire or T0)
        self.commit(Record((Entry(run=run, not_before=not_before),)), when)
        return run

    def began(self, run: Run, at: float) -> None:
        self.commit(Record((Progress(run=run, step=Step.STARTED, at=at, pid=77),)), at)

    def ended(
        self, run: Run, at: float, outcome: Outcome, reason: str = "", *,
        usage: Usage | None = None, **keys,
    ) -> None:  # fmt: skip
        ending = Ending(outcome=outcome, reason=reason, **keys)
        step = Progress(run=run, step=Step.ENDED, at=at, ending=ending, usage=usage)
        self.commit(Record((step,)), at)

    def ran(
        self, task: str, fire: int | None, outcome: Outcome = Outcome.SUCCEEDED, *,
        seconds: float = 5.0, late: float = 0.25, code: int | None = 0, reason: str = "",
        attempt: int = 1, trigger: Trigger = Trigger.SCHEDULE, signal: int | None = None,
        start: float | None = None, usage: Usage | None = None,
    ) -> Run:  # fmt: skip
        begin = start if start is not None else float(fire or T0) + late
        run = self.intent(task, fire, attempt=attempt, trigger=trigger, at=begin - 0.01)
        self.began(run, begin)
        self.ended(
            run, begin + seconds, outcome, reason, exit_code=code, signal=signal, usage=usage
        )
        return run

    def never(
        self, task: str, fire: int, outcome: Outcome, reason: str, *, count: int = 1,
        last: int | None = None, at: float | None = None,
    ) -> None:  # fmt: skip
        self._count += 1
        run = Run(
            id=f"r{self._count}", task=task, trigger=Trigger.SCHEDULE, fire_time=FireTime(fire),
            version="v1",
        )  # fmt: skip
        entry = Entry(
            run=run, ending=Ending(outcome=outcome, reason=reason), count=count,
            last=None if last is None else FireTime(last),
        )  # fmt: skip
        self.commit(Record((entry,)), at if at is not None else float(last or fire))

    def gap(self, since: float, until: float | None, *, how: str = "stopped") -> None:
        """No service lived; `how` '': the one before died."""
        self.commit(Record((Watermark(at=FireTime(int(since))),)), since)
        if how:
            self.store.end_service(at=since, how=how)
        if until is not None:
            self.store.begin_service(pid=2, boot_id="b", at=until)

    def file(self, text: str) -> None:
        path = self.folder / "tasks.yaml"
        path.write_text(text)
        path.chmod(0o644)

    def alive(self) -> None:
        """A service holds the lock (and has no socket)."""
        self._fd = lock.take(self.settings.lock, pause=lambda _: None)

    # ── the question ──────────────────────────────────────────────────────────────────────

    def evidence(self, name: str, time: str = "", *, now: float = T0) -> Evidence:
        return self._explained(name, time, now).evidence

    def explain(self, name: str, time: str = "", *, now: float = T0) -> Explanation:
        return self._explained(name, time, now).told

    def _explained(self, name: str, time: str, now: float) -> question.Explained:
        return question.answer(Gathering(self.settings, name, now), time, now=now)


def told(found: Explanation) -> str:
    """All its sentences, one a line."""
    return "\n".join((found.verdict, *found.details, *found.changes))
