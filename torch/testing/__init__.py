"""Fakes that tests lean on, ours and a user's: a clock that steps, processes that misbehave, a
history in memory, and a world that joins them to the real core."""

from torch.testing.clock import FakeClock
from torch.testing.history import FakeHistory
from torch.testing.lives import Behaviour
from torch.testing.processes import FakeProcesses
from torch.testing.reaper import Step
from torch.testing.rows import Row
from torch.testing.tasks import cron, daemon
from torch.testing.world import World

__all__ = [
    "Behaviour",
    "FakeClock",
    "FakeHistory",
    "FakeProcesses",
    "Row",
    "Step",
    "World",
    "cron",
    "daemon",
]
