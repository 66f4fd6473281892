"""One message to people: what happened to a task, in words, and the facts beside them.

Owns the shape of a message and its form as JSON. Who decides that one is due, and who sends it,
both speak of this. Must not know channels. `at` is wall seconds. Control characters in `lines`
were made harmless by whoever took them from the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class MessageKind(StrEnum):
    """Why there is a message."""

    FAILING = "failing"
    RECOVERED = "recovered"
    STILL_FAILING = "still_failing"
    MISSED = "missed"
    CRASH_LOOPING = "crash_looping"
    MATCHED = "matched"
    DIGEST = "digest"  # several that gathered, as one
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`id` stays the same when it is sent again, so that a receiver can drop doubles.

    `title` is one line, `body` a few; `lines` are the last lines of output, or those that
    matched; `host` is the address of the host; `count`: of how many events it tells.
    """

    id: str
    kind: MessageKind
    task: str
    host: str
    at: float
    title: str
    body: str
    run: str | None = None
    outcome: str | None = None
    exit_code: int | None = None
    reason: str = ""
    count: int = 1
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a JSON document."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {
            "kind": self.kind.value,
            "labels": dict(self.labels),
            "lines": list(self.lines),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Message:
        """The same back. What is not known is left out. Raises ValueError for no message."""
        known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        try:
            known["kind"] = MessageKind(known["kind"])
            known["labels"] = dict(known.get("labels") or {})
            known["lines"] = tuple(known.get("lines") or ())
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a message: {error}") from error
