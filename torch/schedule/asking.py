"""What people ask for: a run by hand, a kill, a pause, the end of one.

Owns when such a request is refused and what is said then. Must not know who asks, nor how.
"""

from __future__ import annotations

from torch.clock import Now
from torch.run import Ending, Outcome
from torch.schedule.admission import Admission
from torch.schedule.answer import Answer
from torch.schedule.live import LiveRuns
from torch.schedule.messages import KillAsked, PauseAsked, ResumeAsked, RunAsked
from torch.schedule.pausing import Pauses
from torch.schedule.sources import Sources
from torch.schedule.state import States, TaskState
from torch.schedule.tasks import Tasks


class Asking:
    def __init__(
        self, states: States, live: LiveRuns, *, sources: Sources,
        admission: Admission, pauses: Pauses, tasks: Tasks,
    ) -> None:  # fmt: skip
        self._states = states
        self._live = live
        self._sources = sources
        self._admission = admission
        self._pauses = pauses
        self._tasks = tasks

    def asked(
        self, message: RunAsked | PauseAsked | ResumeAsked, now: Now, answer: Answer, *,
        stopping: bool,
    ) -> None:  # fmt: skip
        state = self._states.get(message.task)
        if state is None or not state.present:
            reason = f"no task '{message.task}' on this host"
            answer.refuse(reason, "see: torch tasks", for_now=False)
        elif stopping:
            answer.refuse("the service is stopping")
        elif isinstance(message, RunAsked):
            self._admission.run_by_hand(state, now, answer)
        else:
            self._sources.take(now, answer)
            if isinstance(message, PauseAsked):
                self._pauses.begin(state, message.until, now, answer)
                self._tasks.keep(state, now, answer)
            elif state.paused is not None:
                self.resume(state, now, answer)
            else:
                answer.refuse(f"'{message.task}' is not paused", "see: torch status", for_now=False)

    def resume(self, state: TaskState, now: Now, answer: Answer) -> None:
        """The pause is over; what waits, or wants to be kept alive, has its turn."""
        self._pauses.end(state, now, answer)
        self._tasks.fill(state, now, answer)

    def kill(self, message: KillAsked, now: Now, answer: Answer) -> None:
        fate = Ending(outcome=Outcome.KILLED, reason="torch kill")
        for run_id in message.run_ids:
            live = self._live.get(run_id)
            if live is not None:
                self._live.stop(live, fate, now, answer, by_force=message.by_force)
