"""The fields of each request of the control socket: which there are, and what each may be.

Owns the refusal of everything else. Whoever connects may send any JSON: a field of the wrong type
must end in a sentence, never in a fault of the service.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.errors import UsageError
from torch.nearest import did_you_mean

OLDER = "the service may be older than this command; run: torch restart"

_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """`means`: what it must be, for the refusal. `needed`: a request without it is refused; any
    other field may be left out, or null."""

    means: str
    fits: Callable[[Any], bool]
    needed: bool = False


def _is_whole(value: object) -> bool:
    """JSON's `true` is no number, but Python's is."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_instant(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_path(value: object) -> bool:
    if not isinstance(value, str) or not os.path.isabs(value) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # a surrogate
        return False
    return True


_NAME = Field(means="text", fits=lambda value: isinstance(value, str), needed=True)
_FLAG = Field(means="true or false", fits=lambda value: isinstance(value, bool))

FIELDS: Mapping[str, Mapping[str, Field]] = {
    "status": {
        "soonest": Field(
            means="a whole number, 0 or more",
            fits=lambda value: _is_whole(value) and 0 <= value <= _MOST,
        ),
        "brief": _FLAG,
        "left_behind": _FLAG,
    },
    "left_behind": {},
    "task": {"task": _NAME},
    "names": {},
    "next": {
        "task": _NAME,
        "count": Field(
            means="a whole number, 1 or more",
            fits=lambda value: _is_whole(value) and 1 <= value <= _MOST,
        ),
    },
    "file": {},
    "reload": {"dry_run": _FLAG, "file": Field(means="an absolute path in UTF-8", fits=_is_path)},
    "stop": {"mode": _NAME},
    "run": {"task": _NAME, "wait": _FLAG},
    "kill": {"target": _NAME, "by_force": _FLAG},
    "pause": {"task": _NAME, "until": Field(means="a time in seconds", fits=_is_instant)},
    "resume": {"task": _NAME},
}
"""Request -> its fields beside `do`."""


def require_valid(request: Mapping[str, Any]) -> str:
    """The name of the request. Raises UsageError for one that is not known, or whose fields are
    not those of FIELDS."""
    name = request.get("do")
    if not isinstance(name, str) or name not in FIELDS:
        raise UsageError(f"unknown request {_quoted(name)}", hint=OLDER)
    fields = FIELDS[name]
    for key in request:
        if key != "do" and key not in fields:
            hint = did_you_mean(key, fields, otherwise=OLDER)
            raise UsageError(f"the request '{name}' has no field {_quoted(key)}", hint=hint)
    for key, field in fields.items():
        value = request.get(key)
        if value is None and not field.needed:
            continue
        if value is None and key not in request:
            raise UsageError(f"the request '{name}' needs the field '{key}'")
        if not field.fits(value):
            raise UsageError(f"the field '{key}' of the request '{name}' must be {field.means}")
    return name


def _quoted(value: object) -> str:
    """What was sent, short enough for a message."""
    text = value if isinstance(value, str) else repr(value)
    return f"'{text[:60]}'"
