"""Starts that the core asks for, on their way to the reaper: in order, and a burst in slices.

Owns the queue of starts that were not sent to a reaper yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from torch.clock import Clock
from torch.daemon.child import Child
from torch.daemon.link import Link
from torch.daemon.order import NotYet, OrderError, Orders
from torch.daemon.output import Outputs
from torch.daemon.reapers import Reapers
from torch.reaper.wire import MOST, Order
from torch.schedule.commands import Start
from torch.schedule.messages import Message, NotStarted

SLICE = 0.2
"""Seconds of ordering before the loop gets a turn: exits, signals and requests wait no longer."""

TOGETHER = 8
"""Orders that go to the reaper in one write: it begins them while we prepare the next."""

LONGEST_WAIT = 1.0
"""Seconds an order may wait for its instant; more means that the clock was set back."""

_AGAIN = 0.02

PATIENCE = 5.0
"""Seconds that a start waits until an `env_file` that is being saved is whole."""

_LOOK = 0.1


class Ordering:
    def __init__(
        self, *, clock: Clock, post: Callable[[Message], None], reapers: Reapers,
        outputs: Outputs, children: dict[str, Child],
    ) -> None:  # fmt: skip
        """A run that is ordered is among `children` from then on."""
        self._clock = clock
        self._post = post
        self._reapers = reapers
        self._outputs = outputs
        self._children = children
        self._orders = Orders()
        self._pending: deque[Start] = deque()
        self._later: dict[str, tuple[float, asyncio.TimerHandle]] = {}  # run -> since (mono), look
        self._pumping = False

    def __len__(self) -> int:
        return len(self._pending) + len(self._later)

    def add(self, start: Start) -> None:
        self._pending.append(start)
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def remove(self, run_id: str) -> None:
        """A stop has overtaken its start, or it is not known here."""
        if run_id in self._later:
            self._later.pop(run_id)[1].cancel()
        for item in self._pending:
            if item.run.id == run_id:
                self._pending.remove(item)
                return

    def _pump(self) -> None:
        ours = self._reapers.ours
        if ours is None:  # it was killed; the next one is there in a moment
            asyncio.get_running_loop().call_later(_AGAIN, self._pump)
            return
        try:
            self._orders.renew()
            until = self._clock.now().mono + SLICE
            while self._pending:
                for _ in range(min(TOGETHER, len(self._pending))):
                    self._order(self._pending.popleft(), ours)
                ours.flush()
                if self._clock.now().mono >= until:
                    break
        finally:  # also after a fault: what is still in the queue is ordered, and what is to come
            self._pumping = bool(self._pending)
            if self._pumping:
                asyncio.get_running_loop().call_soon(self._pump)

    def _order(self, start: Start, ours: Link) -> None:
        """Whatever goes wrong here ends in NotStarted: a run without it would keep its slot, and
        the service could not end."""
        run, task, now = start.run, start.task, self._clock.now()
        # By the monotonic clock from here: a step of the wall clock strands nobody.
        ahead = 0.0 if start.at is None else min(start.at - now.wall, LONGEST_WAIT)
        at = now.mono + ahead if ahead > 0 else 0.0
        try:
            order = self._orders.make(run, task, at=at, output=self._outputs.path(run))
            frame = _packed(order)
            self._children[run.id] = Child(run=run, task=task, start=start, link=ours)
            ours.send_packed(frame)
        except NotYet as error:
            if self._look_again(start, now.mono):
                return
            self._post(NotStarted(run_id=run.id, reason=str(error)))
            return
        except OrderError as error:
            self._post(NotStarted(run_id=run.id, reason=str(error)))
        except Exception as error:  # noqa: BLE001  # one that fails must not stop the others
            self._children.pop(run.id, None)
            self._post(failed_start(run.id, error))
        self._later.pop(run.id, None)

    def _look_again(self, start: Start, now: float) -> bool:
        """Whether the start waits a moment longer for what it needs."""
        since = self._later[start.run.id][0] if start.run.id in self._later else now
        if now - since >= PATIENCE:
            del self._later[start.run.id]
            return False
        handle = asyncio.get_running_loop().call_later(_LOOK, self.add, start)
        self._later[start.run.id] = since, handle
        return True


def failed_start(run_id: str, error: Exception) -> NotStarted:
    """What becomes of a run whose start met a fault of ours."""
    # Not its repr: that of a UnicodeError quotes the text that it is about, perhaps a secret.
    reason = f"internal error in torch: {type(error).__name__}: {error}"
    safe = reason.encode("utf-8", "backslashreplace").decode()
    return NotStarted(run_id=run_id, reason=safe, of_host=True)


def _packed(order: Order) -> bytes:
    """Raises OrderError."""
    frame = order.pack()
    if len(frame) > MOST:  # the reaper would hang up, and all its runs be without it
        raise OrderError(f"its command and environment are larger than {MOST >> 20} MiB together")
    return frame
