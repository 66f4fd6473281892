"""What a seed means: the tasks of a world, how their processes behave, and what befalls it.

Everything random is here, and all of it comes from one `random.Random`: the same seed is the
same world.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from torch.channel import Channel, Way
from torch.task import CatchUp, Overlap, Restart, Retry, Task
from torch.testing import Behaviour, cron, daemon


@dataclass(frozen=True)
class Plain:
    """A schedule so simple that its fires need no expression: the seconds of each minute, or
    since the epoch (`every`), that `n` divides."""

    n: int
    every: bool

    @property
    def text(self) -> str:
        return f"@every {self.n}s" if self.every else f"*/{self.n} * * * * *"

    def fires(self, after: int, until: int) -> list[int]:
        """Every fire in (after, until]."""
        if self.every:
            return [*range((after // self.n + 1) * self.n, until + 1, self.n)]
        return [t for t in range(after + 1, until + 1) if t % 60 % self.n == 0]


@dataclass(frozen=True)
class Planned:
    """A task, and what the checker knows of its schedule. None: a daemon, or `@reboot`."""

    task: Task
    plain: Plain | None


def tasks(pick: Random, count: int) -> dict[str, Planned]:
    return {name: task(pick, name) for name in (f"t{n:02}" for n in range(count))}


def task(pick: Random, name: str) -> Planned:
    kind = pick.random()
    if kind < 0.2:
        return Planned(_daemon(pick, name), None)
    if kind < 0.25:
        return Planned(cron(name, "@reboot", **_keys(pick)), None)
    n = pick.choice([1, 2, 5, 7, 10, 20, 30])
    plain = Plain(n, pick.random() < 0.5)
    text = "* * * * * *" if n == 1 and not plain.every else plain.text
    return Planned(cron(name, text, **_keys(pick)), plain)


def _keys(pick: Random) -> dict[str, Any]:
    return {
        "max": pick.choice([1, 1, 1, 2, 3]),
        "overlap": pick.choice([*Overlap]),
        "catch_up": pick.choice([*CatchUp]),
        "start_within": pick.choice([0.0, 2.0, 15.0, 60.0]),
        "timeout": pick.choice([None, None, 3.0, 8.0]),
        "grace": pick.choice([0.0, 2.0, 5.0]),
        "enabled": pick.random() < 0.92,
        "retry": pick.choice([None, None, None, Retry(attempts=2, delay=3.0, max_delay=20.0),
                              Retry(attempts=1, delay=0.0)]),
        "jitter": pick.choice([0.0, 0.0, 0.0, 4.0]),
        "command": pick.choice(["one", "two"]),
        "on_failure": pick.choice([(), ("ops",)]),
        "on_missed": pick.choice([(), ("ops",)]),
        "remind_after": pick.choice([60.0, 14_400.0]),
    }  # fmt: skip


def _daemon(pick: Random, name: str) -> Task:
    return daemon(
        name, max=pick.choice([1, 2, 3]), command=pick.choice(["one", "two"]),
        grace=pick.choice([0.0, 2.0]), enabled=pick.random() < 0.9,
        restart=Restart(delay=1.0, max_delay=8.0, healthy_after=pick.choice([2.0, 5.0])),
        on_failure=pick.choice([(), ("ops",)]), on_crash_loop=pick.choice([(), ("ops",)]),
    )  # fmt: skip


CHANNELS = {"ops": Channel(name="ops", way=Way.EXEC, target="cat")}


def behaviour(pick: Random) -> Behaviour:
    return Behaviour(
        lasts=pick.choice([0.0, 0.1, 0.5, 1.0, 1.0, 4.0, 12.0, 40.0, None]),
        code=pick.choice([0, 0, 0, 1, 3, 137]),
        term_lasts=pick.choice([0.0, 0.0, 1.0, None]),
        term_code=pick.choice([143, 0]),
        refusal=pick.choice(["", "", "", "", "", "no such user"]),
        unkillable=pick.random() < 0.03,
    )
