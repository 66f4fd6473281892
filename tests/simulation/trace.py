"""The trace of a world: every message the core heard, when, and what it asked for, as one hash.

Two cores that give the same hashes decide the same. What is hashed are facts in words of this
file and not the core's classes, so a change of its structure that changes no decision leaves the
hashes as they are. `python -m tests.simulation.trace` writes `traces.json` anew: only after a
change of what is decided, and the commit says which.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.simulation.play import Game
from torch.clock import Now
from torch.run import Run
from torch.schedule.commands import Command, Refuse, Send, Start, Stop, Tell, Watch
from torch.schedule.messages import Loaded, Message, Recovered
from torch.schedule.record import (
    Defined,
    Delivery,
    Entry,
    File,
    Pausing,
    Posted,
    Progress,
    Rebooted,
    Record,
    Troubling,
    Watermark,
)
from torch.schedule.scheduler import Scheduler
from torch.task import Task

TRACES = Path(__file__).with_name("traces.json")
SEEDS = range(60)
STEPS = 40


def trace(seed: int, *, steps: int = STEPS) -> str:
    """The hash of all that the cores of this world heard and answered."""
    return sha256("\n".join(lines(seed, steps=steps)).encode()).hexdigest()[:16]


def lines(seed: int, *, steps: int = STEPS) -> list[str]:
    """What is hashed: to be compared where two cores differ."""
    found: list[str] = []
    handle = Scheduler.handle

    def handled(self: Scheduler, message: Message, now: Now) -> tuple[Command, ...]:
        commands = handle(self, message, now)
        wake = self.wake_at
        facts = (_heard(message), (now.wall, now.mono), *map(_fact, commands))
        found.extend(map(repr, (*facts, (wake.wall, wake.mono))))
        return commands

    with patch.object(Scheduler, "handle", handled):
        game = Game(seed)
        try:
            for _ in range(steps):
                game.step()
            game.end()
        except Exception as error:  # noqa: BLE001  # the other tests say what does not hold
            found.append(type(error).__name__)
    return found


def _heard(message: Message) -> tuple[Any, ...]:
    if isinstance(message, Loaded):
        return ("Loaded", message.version, [t.digest for t in message.tasks],
                _plain(message.since), message.rebooted)  # fmt: skip
    if isinstance(message, Recovered):
        found = [
            (_plain(each.run), each.trace.name, each.task.digest,
             each.not_before, _plain(each.fate), each.stopping_at, each.pid, _plain(each.started),
             each.exit_code, each.at, each.reason)
            for each in message.found
        ]  # fmt: skip
        return ("Recovered", found, sorted(message.in_force), _plain(message.paused),
                _plain(message.last), message.watermark, _plain(message.troubles),
                _plain(message.owed))  # fmt: skip
    return (type(message).__name__, _plain(message))


def _fact(command: Command) -> Any:
    match command:
        case Record():
            return ("record", *_recorded(command))
        case Start():
            return ("start", _plain(command.run), command.task.digest, command.at)
        case Stop():
            return ("stop", command.run_id, command.by_force)
        case Tell():
            return ("event", type(command.event).__name__, _plain(command.event))
        case Send():
            return ("send", command.channel.name, _plain(command.notices))
        case Watch():
            return ("watch", _plain(command.run), command.patterns)
        case Refuse():
            return ("refuse", command.reason, command.hint, command.for_now)
        case _:
            return (type(command).__name__, _plain(command))


def _recorded(record: Record) -> Iterator[Any]:
    """Kind by kind, each in its order: that is what the history makes of it."""
    for kind, word in _KINDS.items():
        for each in record.of(kind):
            yield (word, _plain(each))
    file = record.of(File)
    yield ("file", file[0].version if file else None)
    marks = [mark.at for mark in record.of(Watermark)]
    yield ("watermark", marks[0] if marks else None, bool(record.of(Rebooted)))


_KINDS: dict[type[Any], str] = {
    Entry: "row",
    Progress: "step",
    Defined: "defined",
    Pausing: "pause",
    Troubling: "trouble",
    Posted: "posted",
    Delivery: "delivery",
}


def _plain(value: Any) -> Any:
    """Values without the names of classes and fields."""
    if isinstance(value, Task):
        return value.digest
    if isinstance(value, Run):
        return (value.id, value.task, value.trigger.value, value.fire_time, value.attempt,
                value.version)  # fmt: skip
    if is_dataclass(value):
        return tuple(_plain(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return sorted((_plain(key), _plain(each)) for key, each in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    if isinstance(value, frozenset | set):
        return sorted(map(_plain, value))
    return value


def known() -> dict[str, str]:
    found: dict[str, str] = json.loads(TRACES.read_text("ascii"))
    return found


def main() -> None:
    found = {str(seed): trace(seed) for seed in SEEDS}
    TRACES.write_text(json.dumps(found, indent=0) + "\n", "ascii")
    print(f"{len(found)} traces in {TRACES.name}")


if __name__ == "__main__":
    main()
