"""The gate of a pause: nothing that a schedule names starts; what a person asks for does.

That a paused task fires nothing at all, and has one row for a week of it, is pausing.py's: this
is what is left for fires that are under way as the pause begins.
"""

from __future__ import annotations

from torch.run import Trigger
from torch.schedule.gates import GO, Candidate, Judgement, Says

_FIRES = (Trigger.SCHEDULE, Trigger.CATCH_UP)


class PauseGate:
    def ask(self, candidate: Candidate) -> Judgement:
        if candidate.paused and candidate.trigger in _FIRES:
            return Judgement(says=Says.HOLD, reason="its task is paused")
        return GO
