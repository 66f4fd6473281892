"""A time that passes when a test says so, for parts that wait by a `sleep` they are given."""

from __future__ import annotations

import asyncio


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._waiting.append((self.now + seconds, woken))
        await woken

    def waits(self) -> list[float]:
        """How long each that waits has still to wait."""
        return sorted(at - self.now for at, woken in self._waiting if not woken.done())

    async def go(self, seconds: float) -> None:
        """So much time passes; who is woken has run when this returns."""
        self.now += seconds
        due = [each for each in self._waiting if each[0] <= self.now]
        self._waiting = [each for each in self._waiting if each[0] > self.now]
        for _, woken in sorted(due, key=lambda each: each[0]):
            if not woken.done():
                woken.set_result(None)
        for _ in range(5):
            await asyncio.sleep(0)
