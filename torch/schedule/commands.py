"""What the core asks for: the other half of its boundary, whose first is messages.py.

The shell performs `Record` before any `Start` of the same answer: nothing starts without its
intent on disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.channel import Channel
from torch.clock import FireTime
from torch.event import Event
from torch.notice import Notice
from torch.run import Run
from torch.schedule.record import Record
from torch.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt:
    """When the core wants to hear `Woke`: the earlier of a wall and a monotonic instant."""

    wall: float | None
    mono: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """`at`: the command begins at this instant and not before it; None: as soon as it can."""

    run: Run
    task: Task
    at: FireTime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """SIGTERM to the run's group; by force: SIGKILL to all of it but the shim."""

    run_id: str
    by_force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The answer to a request that cannot be met; nothing was done."""

    reason: str
    hint: str = ""
    for_now: bool = True  # False: asking again later is no use


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is left to do: the service may end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Delivers notices on a channel, all in one message; answered by `Sent`."""

    channel: Channel
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks for the patterns on the output of a run from byte `offset` of each on (-1: from now
    on), until it has ended; those asked for before are forgotten. Answered by `Matched`."""

    run: Run
    patterns: tuple[tuple[str, int], ...]  # (pattern, offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """Reads the task file; a good one comes as `Loaded`. Answered by `ReadOver`. `is_asked`:
    somebody asked for it; else it is one more look at a file that was being saved."""

    is_asked: bool


Command = Record | Start | Stop | Tell | Send | Watch | ReadFile | Refuse | Leave
