"""A fire without a row: it is to come, its task is paused, no service lived, or its row is gone.

Owns the words of these answers. Each function gives one, or None where it is not the reason.
"""

from __future__ import annotations

from torch.explain.evidence import Evidence, asked_at
from torch.explain.fates import Explanation, gap_words, pause_words
from torch.report.instants import Instants
from torch.report.text import count, duration
from torch.task import CatchUp, Overlap


def ahead(e: Evidence, at: Instants) -> Explanation | None:
    """A fire to come, and what may stop it."""
    if e.fire is None or e.fire <= e.now or e.definition.task is None:
        return None
    task, fire = e.definition.task, at.full(e.fire)
    verdict = f"{e.name}: the next run is due {fire}, in {duration(e.fire - e.now)}"
    if e.asked is not None:
        verdict = f"{e.name}: the run due {fire} is in the future, in {duration(e.fire - e.now)}"
    details, changes = [], []
    if e.pause is not None and (e.pause.until is None or e.pause.until > e.fire):
        verdict = (
            f"{e.name}: the run due {fire} will be skipped: the task is paused{pause_words(e, at)}"
        )
        changes.append(f"'torch resume {e.name}'")
    elif not e.alive:
        verdict = f"{e.name}: the run due {fire} will not start unless the service is running then"
        changes.append("'torch start'")
    elif e.live is not None and len(e.live.runs) >= task.max:
        live = count(len(e.live.runs), "run")
        what = {Overlap.SKIP: "it is skipped", Overlap.QUEUE: "it is queued",
                Overlap.REPLACE: "the oldest is ended for it"}[task.overlap]  # fmt: skip
        details.append(f"{live} of {task.max} active now; if they are still active then, {what}")
        changes.append(f"'torch kill {e.live.runs[0]}' frees a slot")
    if task.jitter:
        details.append(f"it starts up to {duration(task.jitter)} later, because of 'jitter'")
    if e.live is not None and e.live.refused:
        details.append(
            f"the file on disk is refused, and the previous one is in effect: {e.live.refused}"
        )
    if e.live is not None and e.live.state == "failing":
        details.append(f"its newest run did not succeed: torch runs {e.name}, torch logs {e.name}")
    if not changes:
        details.append("nothing known prevents it")
        changes = [f"'torch pause {e.name}', 'enabled: false', or a different 'schedule'"]
    return Explanation(
        kind="to_come", verdict=verdict, details=tuple(details), changes=tuple(changes)
    )  # fmt: skip


def paused(e: Evidence, at: Instants) -> Explanation | None:
    if e.pause is None or e.fire is None or e.fire <= e.pause.since:
        return None
    if e.pause.until is not None and e.fire > e.pause.until:
        return None  # it has ended by itself, though nobody has written that down yet
    verdict = f"{e.name}: the run due {at.full(e.fire)} is skipped: the task is paused"
    verdict += pause_words(e, at)
    details = ("the runs skipped by a pause become one record when it ends",)
    changes = (f"'torch resume {e.name}'", f"'torch run {e.name}' runs it now")
    return Explanation(kind="paused", verdict=verdict, details=details, changes=changes)


def unattended(e: Evidence, at: Instants) -> Explanation | None:
    """No service lived, and none has decided it since."""
    task = e.definition.task
    if e.gap is None or e.fire is None or task is None:
        return None
    verdict = f"{e.name}: the run due {at.full(e.fire)} has no record yet: {gap_words(e.gap, at)}"
    late = e.now - e.fire
    changes = ["'torch start'"] if not e.alive else []
    if task.catch_up is not CatchUp.NONE:
        details = [f"'catch_up: {task.catch_up}': the next service starts the runs that it covers"]
    elif late <= task.start_within:
        details = [
            f"it still starts if a service is running by {at.short(e.fire + task.start_within)}"
        ]
    else:
        details = [f"the next service records it as missed: start_within is {task.start_within:g}s"]
        changes += ["'catch_up: last' runs the newest missed run"]
    return Explanation(
        kind="down", verdict=verdict, details=tuple(details), changes=tuple(changes)
    )  # fmt: skip


def lost(e: Evidence, at: Instants) -> Explanation:
    fire = at.full(asked_at(e) if e.fire is None else e.fire)
    if e.fire is not None and e.now - e.fire < 1:
        verdict = f"{e.name}: the run due {fire} is being decided"
        return Explanation(kind="to_come", verdict=verdict, changes=("run the command again",))
    if e.oldest is None or (e.fire or 0) < e.oldest:
        verdict = f"{e.name}: the history does not go back to the run due {fire}"
        details = () if e.oldest is None else (f"its oldest record is of {at.full(e.oldest)}",)
        changes = ("TORCH_HISTORY_DAYS and TORCH_HISTORY_ROWS set how much is kept",)
        return Explanation(kind="unrecorded", verdict=verdict, details=details, changes=changes)
    verdict = (
        f"{e.name}: the history has no record of the run due {fire}, although a service was running"
    )
    details = ("the clock may have been changed, the history replaced, or its disk full",)
    changes = ("'torch logs', without a name, shows the service's log of that time",)
    return Explanation(kind="unrecorded", verdict=verdict, details=details, changes=changes)
