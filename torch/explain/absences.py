"""Why a task had no fire at a time: not here, not in force, disabled, a daemon task, no such time.

Owns the words of these answers. Each function gives one, or None where it is not the reason.
"""

from __future__ import annotations

from torch.explain.evidence import Evidence, asked_at, is_near
from torch.explain.fates import Explanation, gap_words, left_behind, pause_words, used
from torch.report.instants import Instants
from torch.report.text import count
from torch.run import Outcome


def not_in_force(e: Evidence, at: Instants) -> Explanation | None:
    then, when = e.definition, at.full(asked_at(e))
    if then.task is not None:
        return None
    if then.unread:
        verdict = f"{e.name}: its definition at {when} is not known"
        why = ("another version of torch recorded it", "the records show what happened to its runs")
        rows = (f"torch runs {e.name} --until '{when}'",)
        return Explanation(kind="unrecorded", verdict=verdict, details=why, changes=rows)
    if e.placement is not None and not e.placement.here:
        hosts = ", ".join(e.placement.hosts)
        verdict = f"{e.name} does not run on this host: the task file places it elsewhere"
        details = [f"hosts: {hosts}", f"this host is {e.placement.address}"]
        if then.left and then.since is not None:
            details.append(f"it was removed from this host's tasks at {at.full(then.since)}")
        to_have_it = (
            f"add an entry to 'hosts' that matches this host ({e.placement.file})",
            f"to see where it runs: torch plan --host {_example(e.placement.hosts)}",
        )
        return Explanation(
            kind="elsewhere", verdict=verdict, details=tuple(details), changes=to_have_it
        )
    since = then.since if then.left else None
    if since is not None:
        verdict = (
            f"{e.name} was not loaded at {when}: it was removed from the file at {at.full(since)}"
        )
        back = (f"it was added again at {at.full(then.until)}",) if then.until is not None else ()
        changes = _loading(e) or ("put the task back into the file",) * (e.current.task is None)
        return Explanation(kind="not_in_force", verdict=verdict, details=back, changes=changes)
    if then.until is not None:
        verdict = f"{e.name} was not loaded at {when}: "
        verdict += f"this host has had it since {at.full(then.until)}"
        known = ("as far back as the history goes",)
        return Explanation(kind="not_in_force", verdict=verdict, details=known)
    verdict = f"{e.name} was never loaded on this host"
    return Explanation(kind="not_in_force", verdict=verdict, changes=_loading(e))


def _loading(e: Evidence) -> tuple[str, ...]:
    """What brings a task into force that stands in the file on disk."""
    if e.placement is None or not e.placement.here or e.current.task is not None:
        return ()
    how = "torch reload" if e.alive else "torch start"
    return (f"{e.placement.file} has it for this host; '{how}' loads it",)


def _example(hosts: tuple[str, ...]) -> str:
    shown = [host for host in hosts if not host.startswith("!")]
    for host in shown:
        address = host.partition("(")[2].rstrip(")").split(",")[0] or host
        if "/" not in address:
            return address
    return "IP"


def daemon(e: Evidence, at: Instants) -> Explanation | None:
    task = e.definition.task
    if task is None or not task.policy.is_kept:
        return None
    when = min(asked_at(e), e.now)  # of a time to come nothing is known but what lives now
    alive = [r for r in e.runs if (r.started_at or e.now) <= when
             and (r.ended_at is None or r.ended_at >= when)]  # fmt: skip
    deaths = [r for r in e.runs if r.ended_at is not None and r.ended_at < when]
    early = 0
    for row in deaths:
        lived = (row.ended_at or 0) - (row.started_at or row.ended_at or 0)
        if row.fate or row.outcome == Outcome.KILLED or lived >= task.restart.healthy_after:
            break
        early += 1
    verdict = (
        f"{e.name} is a daemon task, kept running and not scheduled: "
        f"{len(alive)} of {count(task.max, 'run')} active at {at.full(when)}"
    )
    details = []
    for row in alive:
        since = "" if row.started_at is None else f" since {at.short(row.started_at)}"
        details.append(
            f"run {row.id} {'is active' if row.ended_at is None else 'was active'}{since}"
        )
    looping = early >= 3 and len(alive) < task.max
    if looping:
        details.append(f"crash-looping: {early} runs in a row exited before 'healthy_after'")
    if deaths and len(alive) < task.max:
        row = deaths[0]
        why = f" ({row.reason})" if row.reason else ""
        code = "" if row.exit_code is None else f", exit code {row.exit_code}"
        code = code if row.signal is None else f" by signal {row.signal}"
        ended = at.short(row.ended_at or 0)
        details.append(f"the last run to end was {row.id} at {ended}: {row.outcome}{code}{why}")
        details += [*used(row), *left_behind(e, row)]
        if row.id in e.outputs:
            details.append(f"output: {e.outputs[row.id]} (torch logs {row.id})")
    changes: list[str] = []
    if not task.enabled:
        details.append("the task file has 'enabled: false'")
        changes.append("set 'enabled: true' in the task file")
    elif e.pause is not None and e.pause.since <= when:
        details.append(f"it is paused{pause_words(e, at)}")
        changes.append(f"'torch resume {e.name}'")
    elif e.gap is not None:
        details.append(gap_words(e.gap, at))
        changes.append("'torch start'" if not e.alive else "")
    elif looping:
        changes.append(f"to see why it exits: torch logs {e.name}")
    return Explanation(
        kind="daemon", verdict=verdict, details=tuple(details),
        changes=tuple(filter(None, changes)),
    )  # fmt: skip


def disabled(e: Evidence, at: Instants) -> Explanation | None:
    task = e.definition.task
    if task is None or task.enabled:
        return None
    since = "" if e.definition.since is None else f" since {at.full(e.definition.since)}"
    was = "is disabled" if e.asked is None else f"was disabled at {at.full(asked_at(e))}"
    verdict = f"{e.name} {was} and not scheduled"
    details = (f"the definition with 'enabled: false' is in effect{since}",)
    changes: tuple[str, ...] = ("set 'enabled: true' in the task file",)
    if e.current.task is not None and e.current.task.enabled:
        details, changes = (f"it was disabled{since}; it is enabled now",), ()
    return Explanation(kind="disabled", verdict=verdict, details=details, changes=changes)


def boot(e: Evidence, at: Instants) -> Explanation | None:
    task = e.definition.task
    if task is None or not task.schedule or not all(s.is_reboot for s in task.schedule):
        return None
    verdict = f"{e.name} had no run due at {at.full(asked_at(e))}: it runs once at every boot"
    details = () if e.fire is None else (f"the nearest was the one of {at.full(e.fire)}",)
    changes = (f"'torch run {e.name}' runs it now",)
    return Explanation(kind="no_fire", verdict=verdict, details=details, changes=changes)


def nothing_near(e: Evidence, at: Instants) -> Explanation | None:
    if e.fire is not None and is_near(e):
        return None
    when = at.full(asked_at(e)) if e.asked is None or e.asked.first == e.asked.last else (
        f"{at.full(e.asked.first)} to {at.full(e.asked.last)}"
    )  # fmt: skip
    verdict = f"{e.name} has no run due at {when}: its schedule names no time near it"
    details = [f"its schedule: {e.definition.means}"] if e.definition.means else []
    if e.previous is not None:
        ended = f", {e.previous_outcome}" if e.previous_outcome else ""
        details.append(f"the run before: {at.full(e.previous)}{ended}")
    if e.next is not None:
        details.append(f"the run after: {at.full(e.next)}")
    changes = ["change 'schedule'"]
    shown = e.previous if e.previous is not None else e.next
    if shown is not None:
        changes.append(f"for that run: torch explain {e.name} '{at.full(shown)}'")
    return Explanation(
        kind="no_fire", verdict=verdict, details=tuple(details), changes=tuple(changes)
    )  # fmt: skip
