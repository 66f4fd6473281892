"""What a new service finds of the old one, in memory: torch.daemon.recover on fakes.

Owns the reading of the fake history's rows and the fake run files; what they mean is told by
the same function as in the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch.channel import Channel
from torch.clock import Now
from torch.definition import from_text
from torch.run import Run, Trigger
from torch.schedule.evidence import judge
from torch.schedule.expression import Expression
from torch.schedule.messages import Found, Loaded, Recovered, Trace
from torch.task import Task, TaskType
from torch.testing.history import FakeHistory, Row
from torch.testing.processes import FakeProcesses, FakeRunFile


def found(
    history: FakeHistory, processes: FakeProcesses, tasks: Mapping[str, Task], *,
    boot_id: str, now: Now,
) -> tuple[Found, ...]:  # fmt: skip
    """Every unfinished run and what is left of it, then what lives without a row. What lives
    is in the hands of the new service when this returns."""
    rows = history.unfinished()
    of_rows = [_of_row(row, processes, tasks, boot_id, now) for row in rows]
    known = {row.run.id for row in rows}
    strays = [file for run_id, file in processes.files.items() if run_id not in known]
    recorded = history.is_recorded(file.run.id for file in strays)
    of_files = [
        _of_file(file, tasks, now) for file in strays if file.held and file.run.id not in recorded
    ]
    for file in strays:
        if not file.held:
            processes.forget([file.run.id])
    for each in (*of_rows, *of_files):
        if each.run.id in processes.alive:
            processes.watch(each.run.id)
    return (*of_rows, *of_files)


def first_messages(
    history: FakeHistory, processes: FakeProcesses, tasks: Iterable[Task], *,
    boot_id: str, now: Now, version: str, channels: Mapping[str, Channel] | None = None,
) -> tuple[Recovered, Loaded]:  # fmt: skip
    """What a new service tells its core first, as torch.daemon.service does."""
    by_name = {task.name: task for task in tasks}
    decided = history.decided(now.wall)
    since = {
        name: decided[name][1]
        for name, task in by_name.items()
        if name in decided and decided[name][0] == task.digest
    }
    traces = found(history, processes, by_name, boot_id=boot_id, now=now)
    recovered = Recovered(
        found=traces,
        in_force=frozenset(name for name, (digest, _) in decided.items() if digest),
        paused=history.paused(),
        last=history.newest_ends(by_name),
        watermark=history.watermark,
        troubles=history.troubles(),
        owed=history.owed(),
    )
    rebooted = history.rebooted != boot_id
    return recovered, Loaded(
        tasks=tuple(by_name.values()),
        version=version,
        since=since,
        rebooted=rebooted,
        channels=channels or {},
    )


def _of_row(
    row: Row, processes: FakeProcesses, tasks: Mapping[str, Task], boot_id: str, now: Now
) -> Found:
    run, file = row.run, processes.files.get(row.run.id)
    trace, reason = judge(
        file, waits=row.not_before is not None, started=row.started_at is not None,
        same_boot=row.boot_id == boot_id, alive=run.id in processes.alive,
    )  # fmt: skip
    if trace is Trace.NEVER_STARTED:
        processes.forget([run.id])
    begun = file is not None and file.shim is not None
    ended = file is not None and trace is Trace.ENDED
    return Found(
        run=run, trace=trace, task=_definition(row, tasks), recorded_at=row.recorded_at,
        not_before=row.not_before, fate=row.fate if row.boot_id == boot_id or ended else None,
        stopping_at=row.stopping_at, reason=reason,
        pid=file.shim if file is not None else None,
        started=_began(file, now) if begun and file is not None else None,
        exit_code=file.code if ended and file is not None else None,
        at=file.changed if ended and file is not None else None,
    )  # fmt: skip


def _of_file(file: FakeRunFile, tasks: Mapping[str, Task], now: Now) -> Found:
    """Its environment says whose run it is."""
    task = tasks.get(file.run.task)
    kept = task is not None and task.type is TaskType.DAEMON
    by_hand = Trigger.DAEMON if kept else Trigger.MANUAL
    run = Run(
        id=file.run.id, task=file.run.task, attempt=file.run.attempt,
        trigger=by_hand if file.run.fire_time is None else Trigger.SCHEDULE,
        fire_time=file.run.fire_time,
    )  # fmt: skip
    began = _began(file, now)
    return Found(
        run=run, trace=Trace.ALIVE, task=task or _nameless(run), recorded_at=began.wall,
        pid=file.shim, started=began,
    )  # fmt: skip


def _began(file: FakeRunFile, now: Now) -> Now:
    return Now(now.wall - (now.mono - file.began), file.began)


def _definition(row: Row, tasks: Mapping[str, Task]) -> Task:
    if row.definition is not None:
        return from_text(row.definition, parse=Expression.parse)
    return tasks.get(row.run.task) or _nameless(row.run)


def _nameless(run: Run) -> Task:
    kind = TaskType.DAEMON if run.trigger is Trigger.DAEMON else TaskType.CRON
    return Task(name=run.task, type=kind, command="unknown")
