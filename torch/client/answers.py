"""What a service answers to each request: the keys that commands read, and the kind of each value.

Owns the check of an answer, before any command uses it: whatever listens on the socket, a command
that goes on from here finds what it reads, and of the right kind. Keys that are not named here may
come, and those in OPTIONAL may be missing, as a service of an older version does not say them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

from torch.errors import Problem

Check = Callable[[Any], None]


_MOST = 2**53


class Wrong(ValueError):
    """`path`: the keys that lead to the value, the innermost first."""

    def __init__(self, *path: str) -> None:
        super().__init__()
        self.path = [*path]

    def __str__(self) -> str:
        return ".".join(reversed(self.path)) or "the whole answer"


# ── kinds ─────────────────────────────────────────────────────────────────────────────────


def text(value: Any) -> None:
    if type(value) is not str:
        raise Wrong


def word(value: Any) -> None:
    """A name or an id: it is printed as it is, and may be a part of a path."""
    if type(value) is not str or not value.isprintable() or "/" in value:
        raise Wrong


def line(value: Any) -> None:
    if type(value) is not str or not value.isprintable():
        raise Wrong


def path(value: Any) -> None:
    if type(value) is not str or not value.startswith("/") or "\0" in value:
        raise Wrong


def address(value: Any) -> None:
    """An IP address; '' where the service's host has none."""
    from ipaddress import ip_address

    try:
        if type(value) is not str or (value and not ip_address(value)):
            raise Wrong
    except ValueError as error:
        raise Wrong from error


def whole(value: Any) -> None:
    if type(value) is not int or not -_MOST < value < _MOST:
        raise Wrong


def code(value: Any) -> None:
    """An exit code of a process."""
    if type(value) is not int or not 0 <= value <= 255:
        raise Wrong


def number(value: Any) -> None:
    if type(value) not in (int, float) or not -_MOST < value < _MOST:  # nor is it NaN
        raise Wrong


def flag(value: Any) -> None:
    if type(value) is not bool:
        raise Wrong


def instant(value: Any) -> None:
    """RFC 3339 with its zone."""
    try:
        zone = datetime.fromisoformat(value).tzinfo
    except (TypeError, ValueError) as error:
        raise Wrong from error
    if zone is None:
        raise Wrong


def maybe(check: Check) -> Check:
    def checked(value: Any) -> None:
        if value is not None:
            check(value)

    return checked


def many(check: Check) -> Check:
    def checked(value: Any) -> None:
        if type(value) is not list:
            raise Wrong
        for each in value:
            check(each)

    return checked


def record(_optional: dict[str, Check] | None = None, /, **needed: Check) -> Check:
    must, can = [*needed.items()], [*(_optional or {}).items()]

    def checked(value: Any) -> None:  # for each of a thousand tasks: what it does is little
        if type(value) is not dict:
            raise Wrong
        key = ""
        try:
            for key, check in must:
                check(value[key])
            for key, check in can:
                if key in value:
                    check(value[key])
        except KeyError:
            raise Wrong(key) from None
        except Wrong as wrong:
            wrong.path.append(key)
            raise

    return checked


# ── answers ───────────────────────────────────────────────────────────────────────────────

_run = record(
    id=word, pid=maybe(whole), state=word, adopted=flag, started_at=maybe(instant)
)  # fmt: skip
_last = record(
    run=word, outcome=word, exit_code=maybe(whole), reason=text, ended_at=maybe(instant)
)  # fmt: skip
_put_off = record(attempt=whole, at=instant, **{"for": word})
_paused = record(until=maybe(instant))
_task = record(
    {
        "put_off": maybe(_put_off), "paused": maybe(_paused), "description": maybe(text),
        "owner": maybe(text), "labels": lambda value: record()(value),
    },
    name=word, type=word, state=word, running=whole, max=whole, last=maybe(_last),
    next=maybe(instant), schedule=many(text), runs=many(_run),
)  # fmt: skip
_version = record(
    file=path, commit=maybe(word), loaded_at=maybe(instant), problem=maybe(text)
)  # fmt: skip
_left = record(run=maybe(word), task=maybe(word), pid=whole, name=text)
_failing = record({"failing": maybe(record(since=instant, reason=text))})
_log = record({"failing": maybe(record(since=instant, reason=text, lost=whole))})
_channel = record(name=word, problem=maybe(text), failing_since=maybe(instant), waiting=whole)
_summary = record(
    tasks=whole, runs=whole, failing=whole, paused=whole,
    next=maybe(record(task=word, at=instant)),
)  # fmt: skip
_problem = record(
    {"hint": text, "source": text, "warning": flag},
    file=text, line=whole, column=whole, key=text, message=text,
)  # fmt: skip
_ending = record(outcome=word, exit_code=maybe(code), signal=maybe(whole), reason=text)
_expression = record(text=text, meaning=text, timezone=text)

_settings = record(
    task_file=path, run_dir=path, state_dir=path, log_dir=path, address=maybe(address),
    log_format=word, history_days=whole, history_rows=whole, report_every=whole,
)  # fmt: skip

_ANSWERS: dict[str, Check] = {
    "status": record(
        {
            "host": word, "torch": word, "unit": maybe(record(name=word, user=flag)),
            "summary": _summary, "lateness": maybe(record(max_ms=number)),
            "alerts": record({"channels": many(_channel)}), "history": _failing, "log": _log,
            "watch": _failing, "left_behind": many(_left),
        },
        pid=whole, ready=flag, stopping=flag, since=instant, address=address, address_given=flag,
        version=_version, tasks=many(_task),
    ),
    "task": record({"address": address}, task=_task, version=_version),
    "left_behind": record(left_behind=many(_left)),
    "names": record(tasks=many(word)),
    "next": record(schedule=many(_expression), times=many(instant), quiet=text),
    "file": record(
        {"address": address, "address_given": flag, "settings": _settings, "tz": maybe(line)},
        file=path,
    ),
    "reload": record(
        {"runs": many(record(task=word, becomes=word, reason=text))},
        accepted=flag, problems=many(_problem), added=many(word), removed=many(word),
        changed=many(word), unchanged=whole, version=_version,
    ),
    "stop": record(pid=whole, runs=whole, kept=whole, grace=number),
    "run": record({"ending": _ending}, run=word),
    "kill": record(runs=many(word)),
    "pause": record(paused=_paused, running=whole, stopped=whole),
    "resume": record(skipped=whole, next=maybe(instant)),
}  # fmt: skip


def check(request: str, answer: dict[str, Any]) -> None:
    """Raises Wrong, which names the key that is missing or has a value of another kind."""
    _ANSWERS[request](answer)


_OF_PROBLEM = {field.name for field in fields(Problem)}


def problems(answer: dict[str, Any]) -> tuple[Problem, ...]:
    """Those of an answer to `reload`, without what only another version says of one."""
    return tuple(
        Problem(**{key: value for key, value in each.items() if key in _OF_PROBLEM})
        for each in answer["problems"]
    )
