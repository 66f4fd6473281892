"""A value of a task as it would be written in the file, and as JSON.

Owns how values look in `torch diff`. The units and forms are those of the table of keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.kinds import Key

_MAPS = ("labels", "env")
_QUIET = ("via",)
"""Parts that are shown only where they are not the default."""


def written(key: str, value: Any) -> str:
    """'5m', '[web, 10.0.4.7]', '{attempts: 3, delay: 30s}'; 'none' where there is no value."""
    if value is None or value == ():
        return "none"
    if key == "schedule":
        return ", ".join(value)
    if key in _MAPS:
        return _record((name, text) for name, text in value)
    if is_dataclass(value):
        known = {part.name: part for part in TASK_KEYS[key].kind.keys}
        return _record(
            (f.name, _part(known.get(f.name), getattr(value, f.name)))
            for f in fields(value)
            if f.name not in _QUIET or getattr(value, f.name) != f.default
        )
    if isinstance(value, tuple):
        return f"[{', '.join(_item(each) for each in value)}]"
    if isinstance(value, frozenset):
        return str(sorted(value))
    return _part(TASK_KEYS.get(key), value)


def plain(key: str, value: Any) -> Any:
    """For JSON: lists of strings, numbers and truth values as such, all else as written."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and key == "max"):
        return value
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return list(value)
    if key in _MAPS:
        return dict(value)
    return written(key, value)


def _part(key: Key | None, value: Any) -> str:
    return "none" if value is None else key.kind.write(value) if key else str(value)


def _record(parts: Iterable[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{name}: {text}" for name, text in parts) + "}"


def _item(value: Any) -> str:
    if is_dataclass(value):
        return _record((f.name, written("", getattr(value, f.name))) for f in fields(value))
    return json.dumps(value, ensure_ascii=False) if " " in str(value) else str(value)
