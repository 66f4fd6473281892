"""JSON Schema of the task file, for editors and CI: made from the table of keys.

Owns the frame around the kinds' own schemas. It says less than `check` (names that must be
unique, groups that must exist), never more: what `check` takes, the schema takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from torch.task import TaskType
from torch.taskfile.file_keys import FILE_KEYS
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.kinds import Key

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema as a JSON-able mapping (draft 2020-12)."""
    task_keys = _properties(TASK_KEYS)
    defaults = {name: each for name, each in task_keys.items() if name != "name"}
    daemon = {"properties": {"type": {"const": TaskType.DAEMON.value}}, "required": ["type"]}
    return {
        "$schema": DIALECT,
        "title": "Torch task file",
        "type": "object",
        "properties": _properties(FILE_KEYS),
        "required": [key.name for key in FILE_KEYS.values() if key.required],
        "additionalProperties": False,
        "$defs": {
            "defaults": {
                "type": "object",
                "properties": defaults,
                "additionalProperties": False,
            },
            "tasks": {"type": "array", "items": {"$ref": "#/$defs/task"}},
            "task": {
                "type": "object",
                "properties": task_keys,
                "required": ["name"],  # all else may come from `defaults`
                "additionalProperties": False,
                "if": daemon,
                "then": {"properties": dict.fromkeys(_only(TaskType.CRON), False)},
            },
        },
    }


def schema_text() -> str:
    """The same as a file has it: `config/tasks.schema.json`, written by `make docs`."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _properties(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {name: _property(key) for name, key in keys.items()}


def _property(key: Key) -> dict[str, Any]:
    return {**key.kind.schema, "description": key.doc}


def _only(kind: TaskType) -> list[str]:
    """Keys that have no effect on the other type."""
    return [key.name for key in TASK_KEYS.values() if key.only == kind.value]


if __name__ == "__main__":
    sys.stdout.write(schema_text())
