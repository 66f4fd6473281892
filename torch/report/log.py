"""The only file that turns events into sentences.

Owns the wording, the level and the fields of every log line, in three forms: logfmt and JSON
for machines, a short line for a person at a terminal. Text that came from a task or a file
is made harmless here: no control character reaches a terminal or a log line raw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from torch import event as facts
from torch import zone
from torch.clock import rfc3339
from torch.event import Event
from torch.report.text import count, duration, harmless, json_line, logfmt_value
from torch.run import NO_TROUBLE, Ending, Outcome, Run, Trigger

INFO, WARN, ERROR = "info", "warn", "error"
MARKS = {INFO: " ", WARN: "!", ERROR: "x"}
_INSTANTS = ("first", "last", "watermark", "until")


def sentence(event: Event) -> str:
    """What happened, in one English sentence without a full stop."""
    match event:
        case facts.ServiceReady(pid=pid, tasks=tasks, elsewhere=elsewhere, file=file):
            others = f", {elsewhere} for other hosts" if elsewhere else ""
            return f"ready, pid {pid}: {count(tasks, 'task')} for this host{others} ({file})"
        case facts.TasksReloaded():
            return _reloaded(event)
        case facts.ReloadRefused(problems=problems):
            first = problems[0]
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            return f"task file refused, nothing changed: {first.place()}: {first.message}{more}"
        case facts.ReloadWaiting(reason=reason):
            return f"waiting for the task file: {reason}"
        case facts.TaskFileWarned(problem=problem):
            return f"{problem.place()}: {problem.message}"
        case facts.HostZoneChanged(zone=name, before=before):
            return f"the host's time zone is now {name} (before: {before})"
        case facts.RunStarted(run=run, pid=pid, lateness=late):
            return f"{run.task} started, pid {pid}{_lateness(late)}{_by(run)}"
        case facts.RunEnded(run=run, ending=ending, seconds=seconds):
            return f"{run.task} {_ended(ending)} after {duration(seconds)}"
        case facts.RunNotStarted(run=run, reason=reason):
            return f"{run.task} did not start: {reason}"
        case facts.RunStopping(run=run, reason=reason, by_force=by_force):
            return f"sent {'SIGKILL' if by_force else 'SIGTERM'} to {run.task}: {reason}"
        case facts.FireQueued(run=run, reason=reason):
            return f"{run.task} queued for a slot: {reason}"
        case facts.FireSkipped(run=run, reason=reason):
            return f"{run.task} skipped: {reason}"
        case facts.RunAdopted(run=run, pid=pid):
            return f"{run.task} adopted" + (f", pid {pid}" if pid else "")
        case facts.RetryPlanned(run=run, delay=delay):
            return f"{run.task} will be retried in {duration(delay)}, attempt {run.attempt}"
        case facts.TaskPaused(task=task, until=until):
            return f"{task} paused" + (f" until {rfc3339(until)}" if until is not None else "")
        case facts.TaskResumed(task=task, skipped=skipped):
            return f"{task} resumed; the pause skipped {count(skipped, 'run')}"
        case facts.FiresMissed(task=task, count=number, first=first, last=last, reason=reason):
            span = f"{rfc3339(first)}" + (f" to {rfc3339(last)}" if number > 1 else "")
            return f"{task} missed {count(number, 'run')} ({span}): {reason}"
        case facts.DaemonCrashLooping(task=task, failures=failures, retry_in=retry_in):
            return (
                f"{task} crash-looping: {failures} exits in a row, restart in {duration(retry_in)}"
            )
        case facts.DaemonHealthy(task=task):
            return f"{task} is healthy again"
        case facts.ClockStepped(seconds=seconds):
            return f"the clock was set back by {duration(-seconds)}; schedules follow the new time"
        case facts.HistoryFailed(reason=reason, runs=runs):
            return f"the history cannot be written ({reason}); {count(runs, 'run')} not started"
        case facts.HistoryRecovered(seconds=seconds):
            return f"the history can be written again, after {duration(seconds)}"
        case facts.HistorySetAside(path=path, reason=reason):
            aside = f", moved to {path}" if path else ""
            return f"the history is damaged ({reason}){aside}; started a new one"
        case facts.HistoryReopened(reason=reason):
            return f"another process changed the history ({reason}); it is undamaged and in use"
        case facts.NoticeSent(channel=channel, notices=notices, tries=tries):
            what = f"{notices[0].task} {notices[0].kind.value}"
            what = what if len(notices) == 1 else f"{len(notices)} messages as one"
            return f"notified {channel}: {what}" + (f", at try {tries}" if tries > 1 else "")
        case facts.NoticeUnsent(channel=channel, reason=reason, retry_in=wait, waiting=waiting):
            waits = f"{count(waiting, 'message')} pending, retry in {duration(wait)}"
            return f"delivery to {channel} failed ({reason}); {waits}"
        case facts.NoticeGivenUp(channel=channel, notice=notice, reason=reason):
            what = f"{notice.task} {notice.kind.value}"
            return f"discarded message to {channel} ({what}): {reason}"
        case facts.ProcessesSurvived(processes=processes):
            return f"SIGKILL did not end {', '.join(processes)}"
        case facts.PartFailed(part=part, reason=reason):
            return f"{part} failed: {reason}"
        case facts.PartRecovered(part=part, lost=lost):
            return f"{part} works again" + (f"; {lost}" if lost else "")
        case facts.PlaceLost(path=path, reason=reason):
            return f"{path} {reason}; this service will stop its runs and exit"
        case facts.PlaceRestored(paths=paths):
            return f"created again after another process removed it: {', '.join(paths)}"
        case facts.SelfReported():
            return _fares(event)
        case facts.ServiceStopping(reason=reason, live=live):
            return f"stopping ({reason}), {count(live, 'active run')}"
        case facts.ServiceStopped(ended=ended, killed=killed, left=left, kept=kept):
            kept_text = f", {kept} kept running" if kept else ""
            left_text = f", could not end {', '.join(left)}" if left else ""
            forced = f"{killed} needed SIGKILL" if killed else "none needed SIGKILL"
            return f"stopped: {count(ended + killed, 'run')} ended, {forced}{kept_text}{left_text}"
    raise TypeError(f"no sentence for {type(event).__name__}")


def level(event: Event) -> str:
    match event:
        case facts.RunEnded(ending=ending):
            return INFO if ending.outcome in NO_TROUBLE | {Outcome.KILLED} else WARN
        case facts.ReloadRefused() | facts.HistoryFailed() | facts.ProcessesSurvived():
            return ERROR
        case facts.RunNotStarted() | facts.DaemonCrashLooping() | facts.PartFailed():
            return ERROR
        case facts.HistorySetAside() | facts.PlaceLost():
            return ERROR
        case facts.HistoryReopened() | facts.PlaceRestored():
            return WARN
        case facts.NoticeGivenUp():
            return ERROR
        case facts.NoticeUnsent():
            return WARN
        case facts.FiresMissed() | facts.ClockStepped() | facts.TaskFileWarned():
            return WARN
        case facts.HostZoneChanged():
            return WARN
        case facts.FireSkipped() | facts.RunStopping(by_force=True):
            return WARN
        case facts.ServiceStopped(left=left):
            return ERROR if left else INFO
    return INFO


def fields(event: Event, wall: float) -> dict[str, Any]:
    """The line as names and values; `event` is the class in snake case."""
    line: dict[str, Any] = {
        "time": _stamp(wall),
        "level": level(event),
        "event": _snake(type(event).__name__),
    }
    run = getattr(event, "run", None)
    if isinstance(run, Run):
        line |= {"task": run.task, "run": run.id}
        if run.fire_time is not None:
            line["fire_time"] = _fire_time(run.fire_time)
    line |= dict(_details(event))
    line["msg"] = sentence(event)
    return line


def logfmt(event: Event, wall: float) -> str:
    line = fields(event, wall)
    return " ".join(f"{name}={logfmt_value(value)}" for name, value in line.items())


def as_json(event: Event, wall: float) -> str:
    return json_line(fields(event, wall))


def console(event: Event, wall: float) -> str:
    """For a person: time of day, a mark for the level, the sentence, the task's last lines."""
    clock = (rfc3339(wall, milliseconds=True) or "")[11:23]
    lines = [f"{clock} {MARKS[level(event)]} {harmless(sentence(event))}"]
    run = getattr(event, "run", None)
    name = getattr(event, "task", run.task if isinstance(run, Run) else "")
    lines += indented(f"{name} | {text}" for text in getattr(event, "tail", ()))
    if isinstance(event, facts.ReloadRefused):
        lines += indented(f"{p.place()}: {p.message}" for p in event.problems)
    return "\n".join(lines)


def indented(texts: Iterable[str]) -> Iterator[str]:
    """What stands below a sentence, for a person."""
    return (f"{'':13}  {harmless(text)}" for text in texts)


def _details(event: Event) -> Iterator[tuple[str, Any]]:
    for name in event.__dataclass_fields__:
        value = getattr(event, name)
        if name == "ending":
            yield "outcome", value.outcome.value
            yield from (
                (k, v) for k in ("exit_code", "signal") if (v := getattr(value, k)) is not None
            )
            if value.reason:
                yield "reason", value.reason
        elif name == "usage" and value is not None:
            yield "cpu_seconds", round(value.cpu_seconds, 3)
            if value.max_rss is not None:
                yield "max_rss", value.max_rss
        elif name == "problems":
            yield "problems", [f"{p.place()}: {p.message}" for p in value]
        elif name in _INSTANTS:
            if value is not None:  # a pause without an end
                yield name, rfc3339(value)
        elif name in ("notice", "notices"):
            notices = value if isinstance(value, tuple) else (value,)
            yield "tasks", list(dict.fromkeys(notice.task for notice in notices))
            yield "kinds", list(dict.fromkeys(notice.kind.value for notice in notices))
            yield "notices", [notice.id for notice in notices]
        elif name == "run_id":
            yield "run", value
        elif name == "problem":
            yield "key", value.key
        elif name != "run" and value not in ((), None):
            yield name, round(value, 3) if isinstance(value, float) else value


def _ended(ending: Ending) -> str:
    why = f" ({ending.reason})" if ending.reason else ""
    match ending.outcome:
        case Outcome.SUCCEEDED:
            return "succeeded"
        case Outcome.FAILED if ending.signal is not None:
            return f"failed, killed by signal {ending.signal}{why}"
        case Outcome.FAILED if ending.exit_code == 127:
            return "failed, exit code 127 (its command was not found)"
        case Outcome.FAILED if ending.exit_code is not None:
            return f"failed, exit code {ending.exit_code}{why}"
        case Outcome.TIMED_OUT:
            return f"timed out{why}"
        case _:
            return f"{ending.outcome.value}{why}"


def _reloaded(event: facts.TasksReloaded) -> str:
    parts = [
        f"{word} {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if names[5:] else "")
        for word, names in (
            ("added", event.added),
            ("removed", event.removed),
            ("changed", event.changed),
        )
        if names
    ]
    return f"reloaded: {'; '.join([*parts, f'{event.unchanged} unchanged'])}"


def _fares(event: facts.SelfReported) -> str:
    started = f"{event.started} started and {event.failed} failed in {duration(event.seconds)}"
    late = f", at most {duration(event.late_max)} late" if event.late_max is not None else ""
    memory = f", {event.memory_mib:.0f} MiB" if event.memory_mib is not None else ""
    return (
        f"{count(event.tasks, 'task')}, {event.running} running, {started}{late}; "
        f"load {event.load:.2f}{memory}"
    )


def _by(run: Run) -> str:
    return "" if run.trigger in (Trigger.SCHEDULE, Trigger.DAEMON) else f" ({run.trigger.value})"


def _lateness(seconds: float | None) -> str:
    return f", {duration(seconds)} late" if seconds is not None and seconds >= 0.5 else ""


def _stamp(wall: float) -> str:
    """As rfc3339 with milliseconds; what is the same for a second is made once."""
    whole, thousandths = divmod(int(wall * 1000), 1000)
    text = _fire_time(whole) or ""
    return f"{text[:19]}.{thousandths:03}{text[19:]}"


def _fire_time(at: int | None) -> str | None:
    return _shown(at, zone.current().key)


@lru_cache(maxsize=4)  # many runs of one second are told one after the other
def _shown(at: int | None, _zone: str) -> str | None:
    """The zone is the host's, and another after a reload that found it changed."""
    return rfc3339(at)


@cache
def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
