"""gotorch's task file -> drafts of tasks.

The format is read from gotorch's source (zhenbianshu/gotorch, task/attr.go, loader.go, task.go):
a JSON list of objects with Command, TaskType (common or daemon), Times, Max and Ips; as Go reads
JSON, the case of a key does not matter and the last of two equal ones wins. The command is cut
at each blank and run without a shell. Times are six fields, second minute hour day weekday month:
weekday stands before month. All six must match. Max 0 is no limit.

Its reader of times is broken in places: the last value of a range, single values and Sunday never
match. What is mapped is what is written, not what such a service did; a note says so.
"""

from __future__ import annotations

import json
import re
from typing import Any

from torch.errors import ExpressionError, Problem, TaskFileError
from torch.importing import cron_time, naming
from torch.importing.draft import Draft, Original, Value
from torch.schedule.expression import Expression

_KEYS = {"command": "Command", "tasktype": "TaskType", "times": "Times", "max": "Max", "ips": "Ips"}
_BLANK = re.compile(r"[ \t\r\n]*")
_SAFE = re.compile(r"[\w%+,./:=@-]+(?: [\w%+,./:=@-]+)*", re.ASCII)
_LARGEST = 10_000


class _Refused(Exception):
    """An entry that is no task, with the reason."""


def read(data: bytes, *, file: str) -> Original:
    """The pieces of a gotorch file. Raises TaskFileError when it is no JSON list."""
    original = Original(file)
    text = _decode(data, file)
    for line, source, value in _entries(text, file):
        try:
            original.add(_draft(line, source, value))
        except _Refused as refused:
            original.unmapped(line, source, str(refused))
    if original.drafts():
        for note in _NOTES:
            original.note(note)
    return original


_NOTES = (
    "in Times, gotorch ignores the last value of a range (59 of '*'), single values and Sunday; "
    "Torch fires at every value that is written. Compare with: torch plan.",
    "gotorch runs commands in its own environment and directory, Torch in a clean environment and "
    "in /. To set them, use 'env', 'env_file' and 'cwd'.",
    "gotorch compares Ips with the last IPv4 address of a host, Torch with all of its addresses.",
    "gotorch discards the output of commands; Torch keeps it in files: torch logs TASK.",
)


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _no_json(file, line, f"the byte 0x{data[error.start]:02x} is not UTF-8") from error


def _no_json(file: str, line: int, message: str) -> TaskFileError:
    problem = Problem(
        file=file, line=line, column=1, key="", message=message,
        hint="a gotorch file is a JSON list of objects with Command, Times, Max, Ips",
    )  # fmt: skip
    return TaskFileError((problem,))


def _entries(text: str, file: str) -> list[tuple[int, str, Any]]:
    """(line, text, value) of each element of the list; json alone would not tell the lines."""
    decoder = json.JSONDecoder(object_pairs_hook=list)
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise _no_json(file, _line(text, at), "it is not a JSON list")
    at = _skip(text, at + 1)
    found: list[tuple[int, str, Any]] = []
    line, counted = 1, 0
    while text[at : at + 1] != "]":
        if found:
            if text[at : at + 1] != ",":
                raise _no_json(file, _line(text, at), "a ',' or ']' is missing")
            at = _skip(text, at + 1)
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _no_json(file, error.lineno, f"not JSON: {error.msg}") from error
        except (RecursionError, ValueError) as error:
            message = "the JSON cannot be read: it is nested too deep, or a number is too long"
            raise _no_json(file, _line(text, at), message) from error
        line, counted = line + text.count("\n", counted, at), at
        found.append((line, _dedent(text[at:end]), value))
        at = _skip(text, end)
    if rest := text[at + 1 :].strip():
        raise _no_json(file, _line(text, at + 1), f"there is more after the list: {rest[:20]}")
    return found


def _dedent(source: str) -> str:
    """The text of an element without the inset of its lines."""
    first, *rest = source.split("\n")
    inset = min((len(each) - len(each.lstrip()) for each in rest if each.strip()), default=0)
    return "\n".join([first, *(each[inset:] for each in rest)])


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _draft(line: int, source: str, value: Any) -> Draft:
    # An object comes as a list of pairs; a JSON list has no tuples in it.
    if not isinstance(value, list) or not all(isinstance(pair, tuple) for pair in value):
        raise _Refused("it is not an object")
    fields: dict[str, Any] = {}
    reviews = []
    for key, each in value:
        known = _KEYS.get(key.lower())
        if known is None:
            written = json.dumps(each, ensure_ascii=False)[:200]
            reviews.append(f"'{key}': {written} is unknown to gotorch, and not imported")
        elif known in fields:
            reviews.append(f"'{known}' was set twice; as in gotorch, the last one is used")
        if known is not None:
            fields[known] = each
    command = _text(fields, "Command")
    keys: dict[str, Value] = {}
    kind = _text(fields, "TaskType", "common")
    if kind == "daemon":
        keys["type"] = "daemon"
    elif kind != "common":
        reviews.append(f"TaskType '{kind}' is unknown; gotorch treats it as 'common'")
    _set_schedule(_text(fields, "Times"), keys, reviews)
    argv = _command(command, reviews)
    keys["command"] = argv
    _set_max(fields.get("Max", 0), keys, reviews)
    ips = fields.get("Ips") or []
    if not isinstance(ips, list) or not all(isinstance(ip, str) for ip in ips):
        raise _Refused("Ips is not a list of strings")
    if ips:
        keys["hosts"] = tuple(dict.fromkeys(ips))
    return Draft(
        line=line, source=source, names=naming.candidates(argv), keys=keys,
        reviews=tuple(reviews),
    )  # fmt: skip


def _text(fields: dict[str, Any], key: str, default: str = "") -> str:
    value = fields.get(key, default)
    value = default if value is None else value
    if not isinstance(value, str):
        raise _Refused(f"{key} is not a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Refused(f"{key} contains half a character") from error
    return value


def _set_schedule(times: str, keys: dict[str, Value], reviews: list[str]) -> None:
    words = times.split()
    if len(words) != 6:
        raise _Refused(f"Times has {len(words)} fields; gotorch requires six")
    second, minute, hour, day, weekday, month = words
    expression = " ".join((second, minute, hour, day, month, weekday))
    if "type" in keys:
        reviews.append(f"Times '{times}' has no effect on a daemon, as in gotorch")
        return
    try:
        Expression.parse(expression)
    except ExpressionError as error:
        raise _Refused(cron_time.reason(error)) from error
    if not (day.startswith("*") or weekday.startswith("*")):
        raise _Refused(
            f"Times requires both day {day} and weekday {weekday}; a task fires if one matches"
        )
    keys["schedule"] = expression


def _command(command: str, reviews: list[str]) -> str | tuple[str, ...]:
    words = command.split(" ")
    if not words[0]:
        raise _Refused("Command has no program")
    if _SAFE.fullmatch(command):
        return command
    reviews.append(
        "gotorch splits a command at each blank, without quotes, pipes or variables, so this is a "
        "list; as text it would be run by a shell"
    )
    return tuple(words)


def _set_max(most: Any, keys: dict[str, Value], reviews: list[str]) -> None:
    if isinstance(most, bool) or not isinstance(most, int | None):
        raise _Refused("Max is not a whole number")
    if not most or most < 0:
        reviews.append("Max 0 means no limit in gotorch; here 'max' is 1, and can be raised")
    elif most > _LARGEST:
        raise _Refused(f"Max is more than {_LARGEST}")
    elif most > 1:
        keys["max"] = most
