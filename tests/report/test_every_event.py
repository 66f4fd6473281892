"""No line of the log shows how Python writes a value, whatever the event, in all three forms."""

from __future__ import annotations

import json
import re
import types
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch import event as facts
from torch.event import Event
from torch.report import log

EVENTS = [c for c in vars(facts).values() if isinstance(c, type) and issubclass(c, Event)]
EVENTS.remove(Event)

_NEVER_EMPTY = ("problems", "notices")
_INSTANTS = ("at", "since", "told_at", "until", "first", "last", "watermark", "fire_time")


def anything(hint: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Any value of a type of torch.event; texts are plain, for what is in them is not ours."""
    if hasattr(hint, "__supertype__"):
        return anything(hint.__supertype__, name)
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([anything(each, name) for each in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(anything(get_args(hint)[0]), min_size=name in _NEVER_EMPTY, max_size=3).map(
            tuple
        )
    if hint is type(None):
        return st.none()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from([*hint])
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{f.name: anything(hints[f.name], f.name) for f in fields(hint)})
    most = 4e9 if name in _INSTANTS else 1e6
    least = 0.0 if name in _INSTANTS else -1e6
    if hint is float:
        return st.floats(least, most) | st.sampled_from([0.1 + 0.2, 1e-7, 1 / 3])
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(int(least), int(most))
    assert hint is str
    return st.text("abcxyz. /", max_size=8)


_PYTHON = re.compile(r"\bNone\b|\b(True|False)\b|<|[A-Z]\w+\(|\w+\.[A-Z_]{3,}\b|\bnan\b|\binf\b")
_NOISE = re.compile(r"\d\.\d{4,}|\de[-+]?\d")


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_no_line_of_an_event_shows_a_value_of_python(kind, data):
    event = data.draw(anything(kind))
    lines = log.logfmt(event, 1.8e9), log.as_json(event, 1.8e9), log.console(event, 1.8e9)
    for line in lines:
        assert not _PYTHON.search(line)
        assert not _NOISE.search(line)
    assert None not in json.loads(lines[1]).values()
