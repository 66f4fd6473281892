"""One frame of `torch top`: trouble first, then what runs, then what starts next.

Owns the layout and what gives way on a small screen: here a long name is cut, so that each run
has one line. Pure: everything that is shown is an argument. A run's progress is its age against
what is usual for its task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from torch.cli import show, trouble
from torch.cli.terminal import columns
from torch.client.usage import Usage
from torch.report.text import count, duration, harmless, size

_MOST_TROUBLE = 5
_MOST_NEXT = 5
_LEAST_RUNS = 4
_BAR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`cpu` in per cent, None at the first look; memory in bytes."""

    name: str
    load: tuple[float, float, float]
    cpu: float | None
    used: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that one frame is drawn from. `usage` by pid; `usual` seconds by task; `starts`: runs of
    a daemon task in the last 24 h."""

    answer: Mapping[str, Any]
    host: Host
    now: datetime
    usage: Mapping[int, Usage] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)


def frame(seen: Seen, *, room: int, height: int, colour: bool) -> list[str]:
    """The lines of a screen of that size."""
    head = [columns.cut(line, room) for line in _head(seen)]
    bad = _trouble(seen, room, colour)
    following = _following(seen, room, colour)
    left = height - len(head) - len(bad) - len(following)
    least = min(_LEAST_RUNS + 2, left + len(following))
    if left < least:  # what starts next gives way first
        following = following[: max(len(following) - (least - left), 0)]
        following = following if len(following) > 2 else []
        left = height - len(head) - len(bad) - len(following)
    return [*head, *bad, *_runs(seen, room, max(left, 2), colour), *following][:height]


def _head(seen: Seen) -> list[str]:
    answer, host = seen.answer, seen.host
    up = duration((seen.now - datetime.fromisoformat(answer["since"])).total_seconds())
    word = "stopping" if answer["stopping"] else "running"
    load = " ".join(f"{each:.2f}" for each in host.load)
    cpu = "-" if host.cpu is None else f"{host.cpu:.0f} %"
    memory = f"{size(host.used)} of {size(host.total)}"
    summary, late = answer["summary"], answer.get("lateness")
    parts = [count(summary["tasks"], "task"), count(summary["runs"], "active run")]
    parts += [f"{summary[each]} {each}" for each in ("failing", "paused") if summary[each]]
    if late:
        parts.append(f"starts at most {late['max_ms']:g} ms late")
    lines = [
        f"torch is {word} on {host.name} as {answer['address']}, pid {answer['pid']}, for {up}",
        f"{seen.now:%H:%M:%S}  load {load}  cpu {cpu}  memory {memory}",
        ", ".join(parts),
    ]
    return [*lines, *trouble.lines(answer, seen.now)]


def _trouble(seen: Seen, room: int, colour: bool) -> list[str]:
    bad = [task for task in seen.answer["tasks"] if trouble.is_bad(task)]
    if not bad:
        return []
    rows = [
        (_name(task, room), task["state"], _why(task, seen.now)) for task in bad[:_MOST_TROUBLE]
    ]
    lines = columns.draw(("TROUBLE", "STATE", "LAST END"), rows, room=room, colour=colour)
    more = [f"and {len(bad) - _MOST_TROUBLE} more: torch status"]
    return ["", *lines, *(more if len(bad) > _MOST_TROUBLE else [])]


def _name(task: Mapping[str, Any], room: int) -> str:
    return columns.cut(harmless(task["name"]), max(room * 3 // 10, 8))


def _why(task: Mapping[str, Any], now: datetime) -> str:
    """'exit code 3 at 04:20:00; restart 04:21:00'."""
    last, put_off = task["last"], task.get("put_off")
    said = []
    if last is not None:
        at = show.when(last["ended_at"], today=now)
        known = last["outcome"] == "failed" and last["exit_code"] is not None
        what = f"exit code {last['exit_code']}" if known else last["outcome"]
        said.append(f"{what} at {at}" + (f", {last['reason']}" if last["reason"] else ""))
    if put_off is not None:
        said.append(f"{put_off['for']} {show.when(put_off['at'], today=now)}")
    return "; ".join(said)


def _runs(seen: Seen, room: int, height: int, colour: bool) -> list[str]:
    live = [(task, run) for task in seen.answer["tasks"] for run in task["runs"]]
    live.sort(key=lambda each: (each[0]["type"] == "daemon", each[1]["started_at"] or "~"))
    if not live:
        return ["", "no active runs"]
    fits = height - 2 if len(live) <= height - 2 else height - 3
    rows = [(_name(task, room), *_run(task, run, seen)) for task, run in live[: max(fits, 1)]]
    names = ("RUNNING", "RUN", "PID", "AGE", "OF USUAL", "CPU", "MEMORY")
    lines = columns.draw(
        names, rows, room=room, colour=colour, spare=("PID", "RUN", "MEMORY", "CPU")
    )
    more = [] if len(rows) == len(live) else [f"and {count(len(live) - len(rows), 'more run')}"]
    return ["", *lines, *more]


def _run(task: Mapping[str, Any], run: Mapping[str, Any], seen: Seen) -> tuple[str, ...]:
    age = _age(run, seen.now)
    usage = seen.usage.get(run["pid"] or 0)
    return (
        run["id"],
        str(run["pid"] or "-"),
        "-" if age is None else duration(age),
        "stopping" if run["state"] == "stopping" else _progress(task, age, seen),
        "-" if usage is None else f"{_cpu(usage, age):4.0f} %",
        "-" if usage is None else f"{size(usage.memory):>8}",
    )


def _age(run: Mapping[str, Any], now: datetime) -> float | None:
    if run["started_at"] is None:
        return None
    return max((now - datetime.fromisoformat(run["started_at"])).total_seconds(), 0.0)


def _cpu(usage: Usage, age: float | None) -> float:
    """Per cent of a core; at the first look since the run's start."""
    cores = usage.cpu if usage.cpu is not None else usage.seconds / max(age or 0.0, 0.01)
    return cores * 100


def _progress(task: Mapping[str, Any], age: float | None, seen: Seen) -> str:
    name = task["name"]
    if task["type"] == "daemon":
        again = max(seen.starts.get(name, 0) - task["max"], 0)
        return f"{count(again, 'restart')} in 24 h" if again else "daemon"
    usual = seen.usual.get(name)
    if age is None or usual is None:
        return "no successful run yet" if usual is None else "-"
    share = age / max(usual, 0.001)
    return f"{bar(share, _BAR)} {_share(share)}"


def _share(share: float) -> str:
    return f"{share * 100:3.0f} %" if share < 9.995 else f"{min(share, 9999):.0f} times"


def bar(share: float, width: int) -> str:
    """'[===>    ]'; more than usual: '[=======!]'."""
    if share > 1:
        return f"[{'=' * (width - 1)}!]"
    done = round(share * width)
    return f"[{('=' * done)[:-1]}{'>' * bool(done)}{' ' * (width - done)}]"


def _schedule(task: Mapping[str, Any], seen: Seen) -> str:
    texts, host = task["schedule"], seen.answer.get("timezone") or ""
    in_zone = show.in_zone(task.get("timezone"), texts, host=host, at=seen.now.timestamp())
    return ", ".join(texts) + in_zone


def _following(seen: Seen, room: int, colour: bool) -> list[str]:
    tasks = [task for task in seen.answer["tasks"] if task["next"] or task.get("put_off")]
    at = datetime.fromisoformat
    ahead = []
    for task in tasks:
        if task["next"]:
            ahead.append((at(task["next"]), _name(task, room), _schedule(task, seen)))
        if task.get("put_off") and not trouble.is_bad(task):  # else it stands there
            why = f"{task['put_off']['for']}, attempt {task['put_off']['attempt']}"
            ahead.append((at(task["put_off"]["at"]), _name(task, room), why))
    ahead.sort(key=lambda each: each[:2])
    rows = [
        (show.when(when.isoformat(), today=seen.now), name, why)
        for when, name, why in ahead[:_MOST_NEXT]
    ]
    names = ("NEXT", "TASK", "WHY")
    return ["", *columns.draw(names, rows, room=room, colour=colour)] if rows else []
