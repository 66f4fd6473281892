"""A clock that goes only when it is told to, and steps like a real one."""

from __future__ import annotations

from torch.clock import Now


class FakeClock:
    """Both readings of `torch.clock.Clock`, moved apart or together, in seconds."""

    def __init__(self, wall: float = 1_800_000_000.0, mono: float = 1000.0) -> None:
        self.wall = wall
        self.mono = mono

    def now(self) -> Now:
        return Now(self.wall, self.mono)

    def advance(self, seconds: float) -> None:
        """Time passes on both clocks, as it also does while the host is suspended."""
        if seconds < 0:
            raise ValueError("time does not run backwards; step() sets the wall clock back")
        self.wall += seconds
        self.mono += seconds

    def step(self, seconds: float) -> None:
        """The wall clock is set, forwards or (negative) backwards; no time passes."""
        self.wall += seconds
