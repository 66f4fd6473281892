"""The end of a service: nothing new fires, what runs is ended or left to the next service.

Owns whether we are stopping, and the count that the last sentence needs. Must not know how a run
is stopped.
"""

from __future__ import annotations

from torch.clock import Now
from torch.event import ServiceStopped, ServiceStopping
from torch.run import Ending, Outcome
from torch.schedule.answer import Answer
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.messages import StopAsked, StopMode
from torch.schedule.state import States
from torch.schedule.waiting import Waiting

_WHY = "the service stopped"


class Leaving:
    def __init__(self, states: States, live: LiveRuns, waiting: Waiting) -> None:
        self._states = states
        self._live = live
        self._waiting = waiting
        self.stopping = False
        self._left = False  # it is said that nothing is left to do
        self._ended = self._killed = 0
        self._survivors: list[str] = []

    def asked(self, message: StopAsked, now: Now, answer: Answer) -> None:
        """A second request goes to SIGKILL at once."""
        if message.mode is StopMode.KEEP:
            self.stopping = self._left = True
            answer.tell(ServiceStopped(ended=0, killed=0, kept=len(self._live)))
            answer.leave()
            return
        by_force = self.stopping or message.mode is StopMode.NOW
        if not self.stopping:
            self.stopping = True
            answer.tell(ServiceStopping(reason=message.reason, live=len(self._live)))
            for state in self._states.each():
                self._waiting.give_up(state, _WHY, now, answer, delayed=False)
        fate = Ending(outcome=Outcome.KILLED, reason=_WHY)
        for live in self._live.all():
            self._live.stop(live, fate, now, answer, by_force=by_force)
        self.if_done(answer)

    def ended(self, live: LiveRun, answer: Answer) -> None:
        """A run is over, while we are stopping."""
        self._ended += not live.forced
        self._killed += live.forced
        self.if_done(answer)

    def survived(self, run_id: str, processes: tuple[str, ...], answer: Answer) -> None:
        """Nobody can end these: we do not wait for them."""
        if self.stopping and self._live.drop(run_id):
            self._survivors += processes
            self.if_done(answer)

    def if_done(self, answer: Answer) -> None:
        if not len(self._live) and not self._left:
            self._left = True
            left = tuple(self._survivors)
            answer.tell(ServiceStopped(ended=self._ended, killed=self._killed, left=left))
            answer.leave()
