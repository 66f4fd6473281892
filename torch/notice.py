"""What somebody is to be told of a task: facts, without words and without a receiver.

Owns the shape of a notice and its form in the history. `report/notices.py` turns notices into
a message. Invariant: a notice carries values only, and its id stays the same however often it is
sent, so that a receiver can drop what it has already.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch.clock import FireTime
from torch.message import MessageKind
from torch.run import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`at`, `since`: wall seconds. `count`: runs that failed, fires that were missed or lines
    that matched, since `since`. `first` and `last`: of fires that were missed. `lines`: output
    that matched `pattern`."""

    id: str
    kind: MessageKind
    task: str
    at: float
    run: str | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    reason: str = ""
    count: int = 1
    since: float | None = None
    first: FireTime | None = None
    last: FireTime | None = None
    pattern: str = ""
    lines: tuple[str, ...] = ()

    def to_text(self) -> str:
        """As JSON in ASCII."""
        return json.dumps(asdict(self), separators=(",", ":"))


_NAMES = tuple(field.name for field in fields(Notice))


def from_text(text: str) -> Notice:
    """The notice that `to_text` was given; unknown fields are left out. Raises ValueError."""
    try:
        found: dict[str, Any] = json.loads(text)
        values = {name: found[name] for name in _NAMES if name in found}
        values["kind"] = MessageKind(values["kind"])
        values["outcome"] = None if values.get("outcome") is None else Outcome(values["outcome"])
        values["lines"] = tuple(values.get("lines", ()))
        return Notice(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a notice: {error}") from error
