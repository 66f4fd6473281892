"""The hand-over from the old service to this one, between reading the file and the first fire.

Owns its order: what lives is in the supervisor's hands before the core hears of anything, and
the core hears of all that was left before it has tasks to fire. A stop that comes earlier is
kept until then, so that it ends what was taken over too.
"""

from __future__ import annotations

from torch.daemon.loop import Loop
from torch.daemon.recover import Recoverer
from torch.daemon.supervisor import Supervisor
from torch.history.past import Past
from torch.schedule.messages import Recovered, StopAsked
from torch.task import Task


class Takeover:
    def __init__(
        self, past: Past, *, recoverer: Recoverer, supervisor: Supervisor, loop: Loop
    ) -> None:
        self._past = past
        self._recoverer = recoverer
        self._supervisor = supervisor
        self._loop = loop
        self._early: list[StopAsked] | None = []

    def stop(self, reason: str) -> None:
        """A signal says stop; now, or when there is something to stop."""
        message = StopAsked(reason=reason)
        if self._early is None:
            self._loop.post(message)
        else:
            self._early.append(message)

    async def recover(self, tasks: dict[str, Task]) -> None:
        """`tasks`: this host's, of the file that is about to be in force, by name."""
        left = await self._recoverer.find(self._past.unfinished, tasks)
        for each in left:
            self._supervisor.adopt(each)
        past = self._past
        in_force = frozenset(task for task, (digest, _) in past.decided.items() if digest)
        self._loop.post(
            Recovered(
                found=tuple(each.found for each in left),
                in_force=in_force,
                coming=tasks,
                paused=past.paused,
                last=past.last,
                watermark=past.watermark,
                troubles=past.troubles,
                owed=past.owed,
                unsent=past.unsent,
            )
        )
        for message in self._early or ():
            self._loop.post(message)
        self._supervisor.go_on(self._recoverer.dead)
        self._early = None
