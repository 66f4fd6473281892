"""Messages and channels for tests, and one delivery by the real process."""

from __future__ import annotations

from typing import Any

from torch.channel import Channel, Way
from torch.message import Message, MessageKind
from torch.notify.deliver import deliver
from torch.notify.wire import Result

AT = 1_795_230_245.25
"""2026-11-21T03:04:05.250Z"""


def message(**changes) -> Message:
    """A backup that began to fail."""
    values: dict[str, Any] = {
        "id": "m-1",
        "kind": MessageKind.FAILING,
        "task": "backup",
        "host": "10.0.0.1",
        "at": AT,
        "title": "backup is failing on 10.0.0.1",
        "body": "Run 7-12 ended with exit code 3.",
        "run": "7-12",
        "outcome": "failed",
        "exit_code": 3,
        "reason": "exit code 3",
        "owner": "ops@example.net",
        "labels": {"team": "feed"},
        "lines": ("copying", "disk full"),
    }
    return Message(**values | changes)


def channel(way: str, target: str | tuple[str, ...] = "", **more) -> Channel:
    return Channel(name="ops", way=Way(way), target=target, **more)


def send(
    way: str, target: str | tuple[str, ...] = "", *, timeout: float = 30, file: str = "", **changes
) -> Result:
    """One delivery, as `torch notify test` makes it."""
    return deliver(channel(way, target, file=file), message(**changes), timeout)
