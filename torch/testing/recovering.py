"""What a new service finds of the old one, in memory: torch.daemon.recover on fakes.

Owns the reading of the fake history's rows and of what fake reapers say and wrote; what that
means is told by the same function as in the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch.channel import Channel
from torch.clock import Now
from torch.definition import from_text
from torch.run import Run, Trigger
from torch.schedule.evidence import Holder, Traces, judge
from torch.schedule.expression import Expression
from torch.schedule.messages import FoundRun, Loaded, Recovered, Trace
from torch.task import Task, TaskType
from torch.testing.history import FakeHistory
from torch.testing.processes import FakeProcesses
from torch.testing.reaper import Said
from torch.testing.rows import Row


def found(
    history: FakeHistory, processes: FakeProcesses, tasks: Mapping[str, Task], *,
    boot_id: str, now: Now,
) -> tuple[FoundRun, ...]:  # fmt: skip
    """Every unfinished run and what is left of it, then what lives without a row. What lives
    is in the hands of the new service when this returns."""
    rows = history.unfinished()
    of_rows = [_of_row(row, processes, tasks, boot_id, now) for row in rows]
    known = {row.run.id for row in rows}
    journals = [said for reaper in processes.reapers for said in reaper.journal.values()]
    strays = [said for said in journals if said.run.id not in known]
    recorded = history.is_recorded(said.run.id for said in strays)
    of_journals = [
        _of_journal(said, processes, tasks, now)
        for said in strays
        if said.run.id in processes.alive and said.run.id not in recorded
    ]
    processes.forget(said.run.id for said in strays)
    for each in (*of_rows, *of_journals):
        if each.trace in (Trace.ALIVE, Trace.ORPHANED):
            processes.adopt(each.run, each.task, doubted=each.pid is None)
    return (*of_rows, *of_journals)


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
        coming=by_name,
        paused=history.paused(),
        last=history.newest_ends(by_name),
        watermark=history.watermark,
        troubles=history.troubles(),
        owed=history.owed(),
        unsent=history.unsent(),
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
) -> FoundRun:
    run, process = row.run, processes.alive.get(row.run.id)
    said, traces = processes.said(run.id), traces_of(run.id, processes)
    trace, reason = judge(
        traces, waits=row.not_before is not None, started=row.started_at is not None,
        same_boot=row.boot_id == boot_id, alive=process is not None,
    )  # fmt: skip
    over = said if trace is Trace.ENDED else None
    began = said.began if said is not None and said.pid is not None else None
    if process is not None:  # a look at it says when it began
        began = process.began
    return FoundRun(
        run=run, trace=trace, task=_definition(row, tasks), recorded_at=row.recorded_at,
        not_before=row.not_before, fate=row.fate if row.boot_id == boot_id or over else None,
        stopping_at=row.stopping_at, reason=reason,
        pid=process.pid if process is not None else traces.pid,
        started=None if began is None else _began(began, now),
        exit_code=over.code if over is not None else None,
        at=over.ended if over is not None else None,
    )  # fmt: skip


def traces_of(run_id: str, processes: FakeProcesses) -> Traces:
    """What the reapers that live and the journals of all say of the run."""
    said = processes.said(run_id)
    if said is None:  # what a silent reaper was told, only that reaper knows
        silent = any(reaper.silent for reaper in processes.reapers)
        return Traces(holder=Holder.SILENT if silent else Holder.GONE)
    return Traces(
        holder=processes.given[run_id].holds(run_id), begun=True, pid=said.pid,
        ended=said.ended is not None,
    )  # fmt: skip


def _of_journal(
    said: Said, processes: FakeProcesses, tasks: Mapping[str, Task], now: Now
) -> FoundRun:
    """Its environment says whose run it is."""
    process, lives = processes.alive[said.run.id], processes.given[said.run.id].alive
    task = tasks.get(said.run.task)
    kept = task is not None and task.policy.is_kept
    by_hand = Trigger.DAEMON if kept else Trigger.MANUAL
    run = Run(
        id=said.run.id, task=said.run.task, attempt=said.run.attempt,
        trigger=by_hand if said.run.fire_time is None else Trigger.SCHEDULE,
        fire_time=said.run.fire_time,
    )  # fmt: skip
    began = _began(process.began, now)
    return FoundRun(
        run=run, trace=Trace.ALIVE if lives else Trace.ORPHANED, task=task or _nameless(run),
        recorded_at=began.wall, pid=process.pid, started=began,
    )  # fmt: skip


def _began(mono: float, now: Now) -> Now:
    return Now(now.wall - (now.mono - mono), mono)


def _definition(row: Row, tasks: Mapping[str, Task]) -> Task:
    if row.definition is not None:
        return from_text(row.definition, parse=Expression.parse)
    return tasks.get(row.run.task) or _nameless(row.run)


def _nameless(run: Run) -> Task:
    kind = TaskType.DAEMON if run.trigger is Trigger.DAEMON else TaskType.CRON
    return Task(name=run.task, type=kind, command="unknown")
