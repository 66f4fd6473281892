"""What the service that lives gets to hear of its runs, and what nobody can know any more.

Owns whose end will be heard, and the runs that may honestly end as `unknown`: a simulation
judges the core by these.
"""

from __future__ import annotations

from torch.schedule.messages import Ended, NotStarted, Started


class Heard:
    def __init__(self) -> None:
        self.watched: set[str] = set()  # runs that the service has, and that have not ended
        self.excused: set[str] = set()  # runs whose code, or whether they ran, may be unknown
        self.late: set[str] = set()  # runs that had ended while a silent reaper said nothing
        self._alone: set[str] = set()  # ends that only the service knows: no X line
        self._messages: list[Started | NotStarted | Ended] = []

    def tell(self, message: Started | NotStarted | Ended) -> None:
        """The service hears it, if it lives and has the run."""
        if message.run_id in self.watched:
            self._messages.append(message)
            if not isinstance(message, Started):
                self.watched.discard(message.run_id)

    def tell_alone(self, run_id: str, code: int | None, at: float, reason: str) -> None:
        """It has ended, and no X line says so. If there is a code, the service alone knows it."""
        if code is None:
            self.excused.add(run_id)
        else:
            self._alone.add(run_id)
        why = reason if code is None else ""
        self.tell(Ended(run_id=run_id, exit_code=code, at=at, reason=why))

    def take(self) -> list[Started | NotStarted | Ended]:
        """Oldest first."""
        messages, self._messages = self._messages, []
        return messages

    def is_recorded(self, run_id: str) -> None:
        self._alone.discard(run_id)

    def service_died(self) -> None:
        """What it had heard and nobody had written down is lost."""
        self.excused |= self._alone
        self._alone.clear()
        self.watched.clear()
        self._messages = []
