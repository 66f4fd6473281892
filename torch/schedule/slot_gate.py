"""The gate of `max` and `overlap`: what becomes of a run while others of its task are live.

The one place that decides `max`: a slot is free only if nobody waits for it.
"""

from __future__ import annotations

from torch.run import Trigger
from torch.schedule.gates import GO, Candidate, Judgement, Says
from torch.task import Overlap


class SlotGate:
    def ask(self, candidate: Candidate) -> Judgement:
        task, live, waiting = candidate.task, candidate.live, candidate.waiting
        if live + waiting < task.max:
            return GO
        full = f"{live} active, {waiting} queued, max is {task.max}"
        if candidate.at_once:
            hint = f"wait for one to end, or: torch kill {task.name}"
            return Judgement(
                says=Says.SKIP, reason=f"no free slot for '{task.name}': {full}", hint=hint
            )
        wait = f"{live} active, max is {task.max}"
        if candidate.in_line or candidate.in_turn or candidate.trigger is Trigger.DAEMON:
            return Judgement(says=Says.WAIT, reason=wait)
        if task.overlap is Overlap.REPLACE:
            return Judgement(says=Says.WAIT, reason=wait, makes_room=True)
        if task.overlap is Overlap.QUEUE and waiting == 0:
            return Judgement(says=Says.WAIT, reason=wait)
        return Judgement(says=Says.SKIP, reason=full)
