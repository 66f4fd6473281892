"""`torch explain` in sentences: which answer the evidence gives, and its words.

Owns the order in which answers are tried: a fire with rows is told by `fates`; for one without,
the first thing that stood in its way. The same evidence gives the same sentences.
"""

from __future__ import annotations

from collections.abc import Callable

from torch.explain import absences, fates, rowless
from torch.explain.evidence import Definition, Evidence, asked_at, is_near
from torch.explain.fates import Explanation, pause_words
from torch.report.instants import Instants


def explain(e: Evidence) -> Explanation:
    """The answer, with what is to be said around it."""
    at = Instants(e.zone, e.fire if e.fire is not None else asked_at(e))
    found = fates.explain(e, at) if e.rows and is_near(e) else _without_rows(e, at)
    around = (*_of_the_time(e), *found.details, *_of_the_file(e, at), *_of_the_next(e, at))
    return Explanation(
        kind=found.kind, verdict=found.verdict, details=around, changes=found.changes
    )  # fmt: skip


def _without_rows(e: Evidence, at: Instants) -> Explanation:
    tries: tuple[Callable[[Evidence, Instants], Explanation | None], ...] = (
        absences.not_in_force, absences.daemon, absences.disabled, absences.boot,
        absences.nothing_near, rowless.ahead, rowless.paused, rowless.unattended,
    )  # fmt: skip
    for attempt in tries:
        found = attempt(e, at)
        if found is not None:
            return found
    return rowless.lost(e, at)


# ── around the answer ─────────────────────────────────────────────────────────────────────


def _of_the_time(e: Evidence) -> tuple[str, ...]:
    said = []
    asked = e.asked
    if asked is not None and asked.note:
        said.append(asked.note)
    if asked is not None and e.others and sum(e.others.values()) > 1:
        said.append(
            f"'{asked.text}' has {fates.fires_of(e.others)}; this answer is about one of them"
        )
    elif asked is not None and e.fire is not None and is_near(e):
        inside = asked.first <= e.fire <= asked.last
        collapsed = any((row.last_fire or 0) >= asked.first for row in e.rows)
        if not inside and not collapsed:
            said.append(f"this is the run due nearest {asked.text}")
    return tuple(said)


def _of_the_file(e: Evidence, at: Instants) -> tuple[str, ...]:
    then, today = e.definition, e.current
    if then.task is None or today is then or then.task == today.task:
        return ()
    return (_then(then, at), _today(today, at))


def _of_the_next(e: Evidence, at: Instants) -> tuple[str, ...]:
    """Whoever asks for no time wants to know what comes, too."""
    if e.asked is not None or not e.rows or e.next is None or e.next <= e.now:
        return ()
    if e.pause is not None and (e.pause.until is None or e.pause.until > e.next):
        return (f"it is paused{pause_words(e, at)}",)
    return (f"next run: {at.short(e.next)}",)


def _then(then: Definition, at: Instants) -> str:
    span = "" if then.since is None else f" from {at.full(then.since)}"
    span += "" if then.until is None else f" to {at.full(then.until)}"
    fires = f": {then.means}" if then.means else ""
    file = f" (task file {then.file})" if then.file else ""
    return f"the definition in effect{span}{file}{fires}"


def _today(today: Definition, at: Instants) -> str:
    if today.task is None:
        since = "" if today.since is None else f" since {at.full(today.since)}"
        return f"it is no longer one of this host's tasks{since}"
    since = "" if today.since is None else f" since {at.full(today.since)}"
    fires = f": {today.means}" if today.means else ""
    return f"the current definition is different{since}{fires}"
