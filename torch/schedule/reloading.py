"""When the task file is read again: a thousand asks while it is read are one more reading.

Owns whether a reading is under way, and whether there is another after it. Invariant: after the
last ask a reading begins, so what is in force in the end is no older than what was asked for. Must
not know what a file holds, nor why one cannot be taken yet.
"""

from __future__ import annotations

from torch.clock import Now
from torch.schedule.answer import Answer
from torch.schedule.commands import ReadFile
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.messages import ReadOver, ReloadAsked

_KEY = "the task file"


class Reloading:
    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._reading = True  # the first file is being read, by whoever starts us
        self._asked = False

    def hear(
        self, message: ReloadAsked | ReadOver, now: Now, answer: Answer, *, stopping: bool
    ) -> None:
        """The file may be another; or a reading is over, and what it found is in force, or
        refused, or being saved."""
        if stopping:
            return
        if isinstance(message, ReloadAsked):
            self._asked = True
        else:
            self._reading = False
            if message.again_in is not None:
                self._deadlines.add(now.mono + message.again_in, Deadline.READ, _KEY)
        self._begin(answer)

    def loaded(self, answer: Answer, *, first: bool) -> None:
        """The first file is in force: what was asked for meanwhile may mean a newer one."""
        if first:
            self._reading = False
            self._begin(answer)

    def due(self, answer: Answer, *, stopping: bool) -> None:
        """The file was being saved, and is looked at again."""
        if not self._reading and not stopping:
            self._read(answer, is_asked=False)

    def _begin(self, answer: Answer) -> None:
        if self._asked and not self._reading:
            self._read(answer, is_asked=True)

    def _read(self, answer: Answer, *, is_asked: bool) -> None:
        self._reading, self._asked = True, False
        self._deadlines.forget(_KEY)
        answer.read(ReadFile(is_asked=is_asked))
