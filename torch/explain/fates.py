"""A fire that has its rows, in sentences: it ran, it waits, it was skipped or missed.

Owns the words of these answers. The rows of a fire are its attempts in order, or the one row
that says why it never ran. What a reason means is torch/explain/reasons.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch.explain import reasons
from torch.explain.evidence import Evidence, Gap, Row
from torch.report.instants import Instants
from torch.report.text import count, duration, size
from torch.run import FAILURES, NEVER_RAN, Outcome, State, Trigger, lateness
from torch.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`kind` is a word for scripts, `verdict` the answer, `changes` what would change it."""

    kind: str
    verdict: str
    details: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


_SHOWN = 5  # runs that had a slot are named one by one
_DONE = {
    Outcome.SUCCEEDED: "succeeded", Outcome.FAILED: "failed", Outcome.TIMED_OUT: "timed out",
    Outcome.KILLED: "was killed", Outcome.UNKNOWN: "ended with unknown result",
}  # fmt: skip


def explain(e: Evidence, at: Instants) -> Explanation:
    """The answer for a fire that has rows."""
    last = e.rows[-1]
    if last.outcome in NEVER_RAN:
        return _never(e, last, at)
    if last.state == State.FINISHED:
        return _ended(e, last, at)
    if last.started_at is None and last.not_before is not None:
        return _waits(e, last, at)
    return _lives(e, last, at)


def gap_words(gap: Gap, at: Instants) -> str:
    """'no service was running from … to …: the previous service was stopped'."""
    since = "" if gap.since is None else f" from {at.short(gap.since)}"
    until = " until now" if gap.until is None else f" to {at.short(gap.until)}"
    return f"no service was running{since}{until}: {gap_why(gap)}"


def gap_why(gap: Gap) -> str:
    if gap.since is None:
        return "none had been started before"
    if gap.how == "stopped":
        return "the previous service was stopped"
    return "the previous service ended without recording a stop"


def pause_words(e: Evidence, at: Instants) -> str:
    """' since …, until …'; '' where it is not paused."""
    if e.pause is None:
        return ""
    until = "until it is resumed" if e.pause.until is None else (
        f"until {at.full(e.pause.until)}"
    )  # fmt: skip
    return f" since {at.full(e.pause.since)}, {until}"


# ── it never ran ──────────────────────────────────────────────────────────────────────────


def _never(e: Evidence, row: Row, at: Instants) -> Explanation:
    kind = str(row.outcome)
    first = row.fire_time if row.fire_time is not None else at.about
    if row.count > 1 and row.last_fire is not None:
        span = f"from {at.full(first)} to {at.full(row.last_fire)}"
        verdict = f"{e.name}: {row.count} runs due {span} were {kind}: {row.reason}"
    else:
        verdict = f"{e.name}: the run due {at.full(first)} was {kind}: {row.reason}"
    details = [*_attempts(e, e.rows[:-1], at)]
    if row.attempt > 1:
        times = count(row.attempt - 1, "time")
        verdict = f"{e.name}: the run due {at.full(first)} was tried {times}; "
        verdict += f"attempt {row.attempt} was {kind}: {row.reason}"
    found = _known(e, row)
    if found is not None and found.means:
        details.append(found.means)
    details += _slots(e, at)
    if row.outcome == Outcome.MISSED and e.gap is not None:
        details.append(gap_words(e.gap, at))
    changes = () if found is None else _of(e, found.changes)
    live = [holder.id for holder in e.holders if holder.ended_at is None]
    if live:
        changes = (*changes, f"'torch kill {live[0]}' ends the run that has the slot now")
    return Explanation(kind=kind, verdict=verdict, details=tuple(details), changes=changes)


def _slots(e: Evidence, at: Instants) -> Iterator[str]:
    """Who had the slots."""
    for holder in e.holders[:_SHOWN]:
        since = "" if holder.started_at is None else f" since {at.short(holder.started_at)}"
        if holder.ended_at is None:
            yield f"run {holder.id} has had a slot{since}"
        else:
            yield f"run {holder.id} had a slot{since}, until {at.short(holder.ended_at)}"
    if len(e.holders) > _SHOWN:
        yield f"and {len(e.holders) - _SHOWN} more"


# ── it ran ────────────────────────────────────────────────────────────────────────────────


def _ended(e: Evidence, last: Row, at: Instants) -> Explanation:
    outcome = Outcome(str(last.outcome))
    tries = f" at attempt {last.attempt}" if last.attempt > 1 else ""
    verdict = f"{_fire(e, last, at)} ran and {_DONE[outcome]}{tries}"
    if last.reason:
        verdict += f": {last.reason}"
    details = [*_attempts(e, e.rows, at)]
    found = _known(e, last)
    if found is not None and found.means:
        details.append(found.means)
    changes = () if found is None else found.changes
    task = e.current.task
    if outcome in FAILURES and task is not None:
        changes = (*changes, *_after_failure(last, task))
    return Explanation(
        kind="ran", verdict=verdict, details=tuple(details), changes=_of(e, changes)
    )  # fmt: skip


def _after_failure(last: Row, task: Task) -> Iterator[str]:
    if last.trigger not in (Trigger.SCHEDULE, Trigger.CATCH_UP):
        return
    if task.retry is None:
        yield "'retry: {attempts: 3}' retries after a failure"
    elif last.attempt > task.retry.attempts:
        yield f"a higher 'retry.attempts' than {task.retry.attempts} allows more retries"
    if last.exit_code is not None and last.signal is None:
        codes = sorted({*task.success_codes, last.exit_code})
        yield f"'success_codes: {codes}' if exit code {last.exit_code} is not a failure"


def _lives(e: Evidence, last: Row, at: Instants) -> Explanation:
    if not e.alive:
        verdict = (
            f"{_fire(e, last, at)} has no recorded end, and no service is running to record it"
        )
        changes: tuple[str, ...] = ("'torch start' finds out what happened to it",)
    elif last.started_at is None:
        verdict, changes = f"{_fire(e, last, at)} is about to start", ()
    else:
        ends = " and is being stopped" if last.state == State.STOPPING else ""
        verdict = f"{_fire(e, last, at)} has been running since {at.short(last.started_at)}{ends}"
        changes = (f"'torch kill {last.id}' ends it",)
    if ends_at := _timeout_at(e, last):
        changes = (*changes, f"its timeout ends it at {at.short(ends_at)}")
    return Explanation(
        kind="running", verdict=verdict, details=tuple(_attempts(e, e.rows, at)), changes=changes
    )


def _timeout_at(e: Evidence, row: Row) -> float | None:
    task = e.definition.task
    if not e.alive or task is None or task.timeout is None or row.started_at is None:
        return None
    return row.started_at + task.timeout


def _waits(e: Evidence, last: Row, at: Instants) -> Explanation:
    due = last.not_before or e.now
    details = [*_attempts(e, e.rows[:-1], at)]
    changes: tuple[str, ...]
    if last.attempt > 1 and due > e.now:
        verdict = f"{_fire(e, last, at)} failed; attempt {last.attempt} is delayed until"
        verdict = f"{verdict} {at.short(due)} (retry)"
        changes = ("the next scheduled run cancels it", "'torch pause TASK' cancels it")
    elif due > e.now:
        verdict = f"{_fire(e, last, at)} is delayed until {at.short(due)} (jitter)"
        changes = ("without 'jitter' it starts at its time",)
    else:
        verdict = f"{_fire(e, last, at)} is queued for a slot"
        for row in e.holders[:_SHOWN]:
            since = "" if row.started_at is None else f" since {at.short(row.started_at)}"
            details.append(f"queued behind run {row.id}, active{since}")
        changes = tuple(f"'torch kill {row.id}' frees its slot" for row in e.holders[:1])
        changes += ("a higher 'max' lets both run", "'torch pause TASK' cancels it")
    if not e.alive:
        details.append("no service is running; the next one continues with it")
        changes = ("'torch start'", *changes)
    return Explanation(
        kind="waiting", verdict=verdict, details=tuple(details), changes=_of(e, changes)
    )  # fmt: skip


def _attempts(e: Evidence, rows: tuple[Row, ...], at: Instants) -> Iterator[str]:
    """Each attempt in a line, and where its output is."""
    for row in rows:
        number = f"attempt {row.attempt}, run {row.id}" if len(e.rows) > 1 else f"run {row.id}"
        yield f"{number}: {', '.join(_attempt(e, row, at))}"
        if row.id in e.adopted:
            yield f"adopted by the service that started at {at.short(e.adopted[row.id])}"
        if row.id in e.alone:
            code = "; its shim recorded the exit code" if row.exit_code is not None else ""
            yield f"it ended while no service was running{code}"
        yield from used(row)
        yield from left_behind(e, row)
        if row.id in e.outputs:
            yield f"output: {e.outputs[row.id]} (torch logs {row.id})"


def used(row: Row) -> Iterator[str]:
    """The processor time and memory that a run has used, if known."""
    if row.cpu_seconds is None:
        return
    memory = (
        "" if row.max_rss is None else f", at most {size(row.max_rss)} of memory in one process"
    )
    yield f"used {duration(row.cpu_seconds)} of processor time{memory}"


def left_behind(e: Evidence, row: Row) -> Iterator[str]:
    """Processes that a run that has ended left behind."""
    left = e.left_behind.get(row.id, ())
    if left:
        several = "process" if len(left) == 1 else "processes"
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        yield f"it left {len(left)} {several} behind: {', '.join(left[:_SHOWN])}{more}"


def _attempt(e: Evidence, row: Row, at: Instants) -> Iterator[str]:
    if row.started_at is None:
        yield "did not start" if row.state == State.FINISHED else "not started yet"
    else:
        pid = "" if row.pid is None or row.ended_at is not None else f", pid {row.pid}"
        yield f"started {at.short(row.started_at)}{_late(e, row)}{pid}"
    if row.outcome is None:
        return
    end = _DONE.get(Outcome(row.outcome), row.outcome)
    if row.signal is not None:
        end += f" by signal {row.signal}"
    elif row.exit_code is not None and (row.exit_code or row.outcome != Outcome.SUCCEEDED):
        end += f" with exit code {row.exit_code}"
    if row.reason:
        end += f" ({row.reason})"
    if row.started_at is not None and row.ended_at is not None:
        end += f" after {duration(row.ended_at - row.started_at)}"
    yield end


def _late(e: Evidence, row: Row) -> str:
    """How long after its fire time it started, and what put it off where that is known."""
    late = lateness(row.started_at, row.fire_time)
    if late is None or row.attempt > 1:
        return ""
    words = f" ({duration(late)} late" if late >= 0 else f" ({duration(-late)} early"
    task = e.definition.task
    if row.trigger == Trigger.CATCH_UP:
        words += ", by catch_up"
    elif task is not None and task.jitter and 0 < late <= task.jitter + 1:
        words += ", spread by jitter"
    return words + ")"


def _fire(e: Evidence, row: Row, at: Instants) -> str:
    if row.fire_time is None:
        return f"{e.name}: run {row.id}"
    return f"{e.name}: the run due {at.full(row.fire_time)}"


def _known(e: Evidence, row: Row) -> reasons.Known | None:
    task = e.current.task or e.definition.task
    return None if task is None or not row.reason else reasons.known(row.reason, task)


def _of(e: Evidence, changes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(change.replace("TASK", e.name) for change in changes)


def fires_of(counts: Mapping[str, int]) -> str:
    """'12 runs: 11 succeeded, 1 skipped'."""
    parts = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    return f"{count(sum(counts.values()), 'run')}: {parts}"
