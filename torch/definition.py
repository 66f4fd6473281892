"""A task as text and back, so that a run ends under the definition it started with.

Owns the form of a definition in the history: compact JSON with every field of `Task`, a
schedule as its texts. A field that is not known is left out when it is read, and one that is
missing takes its default: the text may come from a newer or an older torch.
Must not know how a schedule is parsed: the reader brings the parser.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, Protocol

from torch.task import (
    Alert,
    CatchUp,
    Output,
    Overlap,
    Privileges,
    Restart,
    Retry,
    Schedule,
    Task,
    TaskType,
    Via,
)


class Parse(Protocol):
    """`Expression.parse`, or what stands in for it."""

    def __call__(self, text: str, *, timezone: str, name: str) -> Schedule: ...


_NAMES = tuple(field.name for field in fields(Task))
_ZONE = next(field.default for field in fields(Task) if field.name == "timezone")
_VALUES = attrgetter(*_NAMES)
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def to_text(task: Task) -> str:
    """The whole definition in ASCII."""
    values = dict(zip(_NAMES, _VALUES(task), strict=True))
    values["schedule"] = [schedule.text for schedule in task.schedule]
    values["success_codes"] = sorted(task.success_codes)
    values["retry"] = _plain(task.retry)
    values["restart"] = _plain(task.restart)
    values["output"] = _plain(task.output)
    values["alert_on"] = [_plain(alert) for alert in task.alert_on]
    return _ENCODE(values)


def from_text(text: str, *, parse: Parse) -> Task:
    """The task that `to_text` was given. Raises ValueError for what is no definition, and
    whatever `parse` raises."""
    try:
        found = json.loads(text)
        values = {name: _READ.get(name, _as_is)(found[name]) for name in _NAMES if name in found}
        zone = values.get("timezone", _ZONE)
        values["schedule"] = tuple(
            parse(each, timezone=zone, name=values["name"]) for each in values.get("schedule", ())
        )
        return Task(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a definition: {error}") from error


@cache  # nearly all tasks share the defaults
def _plain(value: Retry | Restart | Output | Alert | None) -> dict[str, object] | None:
    if value is None:
        return None
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _part(kind: Any) -> Callable[[Any], Any]:
    known = {field.name for field in fields(kind)}

    def read(found: Any) -> Any:
        if found is None:
            return None
        kept = {name: value for name, value in found.items() if name in known}
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()})

    return read


def _as_is(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in value)


_alert = _part(Alert)
_output = _part(Output)
_READ: dict[str, Callable[[Any], Any]] = {
    "type": TaskType,
    "overlap": Overlap,
    "catch_up": CatchUp,
    "privileges": Privileges,
    "retry": _part(Retry),
    "restart": _part(Restart),
    "output": lambda found: _output({**found, "via": Via(found.get("via", "pipe"))}),
    "success_codes": frozenset,
    "env": _pairs,
    "labels": _pairs,
    "alert_on": lambda found: tuple(_alert(each) for each in found),
}
