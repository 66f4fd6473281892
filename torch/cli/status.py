"""torch status: is it running, which file is in force, what do the tasks do.

Owns the order in which a person wants to see it: trouble, then what fails, then what runs, then
the rest. `--json` is the service's answer as it came.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import click

from torch import zone
from torch.cli import show, trouble
from torch.cli.options import complete_here, json_option, place_options, timeout_option
from torch.cli.terminal import columns
from torch.client.asking import ask
from torch.clock import SystemClock
from torch.errors import ExitCode, NotRunning, TorchError
from torch.report.text import count, duration, harmless, last_lines
from torch.settings import Settings

_LIVE = ("running", "restarting", "removed")
_MOST_TAILS = 5
"""Troubled tasks whose last lines of output are shown."""
_MOST_LEFT = 5
_TAIL_LINES = 2
_TAIL_BYTES = 4096
_EVERY = 2.0
"""Seconds from one look of `--watch` to the next."""


@click.command()
@click.option(
    "--strict", is_flag=True, help="Exit 1 if a task is failing or the service has a problem."
)
@click.option("--watch", is_flag=True, help="Refresh every 2 s until q or Ctrl-C.")
@json_option
@timeout_option
@place_options
def status(settings: Settings, strict: bool, watch: bool, as_json: bool, timeout: float) -> int:
    """Show the service, its task file and its tasks: failing tasks first, then running ones.

    If the service is not running, exits 3 and lists the runs that are still active.
    """
    if watch:
        _watch(settings, as_json, timeout)
        return ExitCode.OK
    try:
        request = {"do": "status", "brief": not as_json, "left_behind": True}
        answer = ask(settings, request, timeout=timeout)
    except NotRunning:
        _tell_left(settings, as_json)
        raise
    if as_json:
        show.document(answer)
    else:
        lines = frame(settings, answer)
        scrolls = show.room() is not None and len(lines) >= show.size()[1]
        click.echo("\n".join([*lines, *_again(answer)] if scrolls else lines))
        if not answer["tasks"]:
            click.echo("no tasks for this host", err=True)
    bad = trouble.lines(answer, _now(answer)) or any(map(trouble.is_bad, answer["tasks"]))
    return ExitCode.FOUND if strict and bad else ExitCode.OK


def _now(answer: dict[str, Any]) -> datetime:
    """On the service's clock: its answer is, and no zone has to be looked for."""
    tz = datetime.fromisoformat(answer["since"]).tzinfo
    return datetime.fromtimestamp(SystemClock().now().wall, tz)


def _tell_left(settings: Settings, as_json: bool) -> None:
    from torch.cli import left

    runs = left.tell(settings)
    if as_json:
        rows = [run.as_json() for run in runs]
        show.document({"pid": None, "ready": False, "tasks": [], "left": rows})


def _watch(settings: Settings, as_json: bool, timeout: float) -> None:
    from torch.cli.terminal import screen

    if as_json:
        screen.stream(lambda: _object(settings, timeout), seconds=_EVERY)
    screen.watch(lambda: _watched(settings, timeout), seconds=_EVERY)


def _watched(settings: Settings, timeout: float) -> list[str]:
    """A service that goes away, or comes back, is a frame like any other."""
    request = {"do": "status", "brief": True, "left_behind": True}
    try:
        answer = ask(settings, request, timeout=timeout)
        zone.adopt_key(answer.get("timezone"))
        return frame(settings, answer)
    except TorchError as error:
        from torch.report.errors import describe

        complete_here(error)
        return describe(error).split("\n")


def _object(settings: Settings, timeout: float) -> str:
    try:
        answer = ask(settings, {"do": "status", "left_behind": True}, timeout=timeout)
    except TorchError as error:
        answer = {"pid": None, "ready": False, "tasks": [], "error": error.message}
    return show.text(answer)


def frame(settings: Settings, answer: dict[str, Any]) -> list[str]:
    """All that is shown, as lines."""
    now = _now(answer)
    tasks = sorted(answer["tasks"], key=_rank)  # stable: within a rank the file's order
    lines = [*_head(answer, now), *_trouble(answer, now), *_left_behind(answer)]
    lines.append(_summary(answer, now))
    if not tasks:
        return lines
    room = show.room()
    names = ("TASK", "STATE", "RUNNING", "LAST", "NEXT", "SCHEDULE")
    host = answer.get("timezone")
    table = columns.draw(
        names, [_row(task, now, host) for task in tasks], room=room, colour=show.colours(),
        spare=("SCHEDULE", "RUNNING", "LAST"), under=_tails(settings, tasks) if room else None,
    )  # fmt: skip
    return [*lines, "", *table]


def _rank(task: dict[str, Any]) -> int:
    if trouble.is_bad(task):
        return 0
    return 1 if task["state"] in _LIVE or task["running"] else 2


def _head(answer: dict[str, Any], now: datetime) -> list[str]:
    version = answer["version"]
    up = duration((now - datetime.fromisoformat(answer["since"])).total_seconds())
    word = "stopping" if answer["stopping"] else "running"
    commit = f", commit {version['commit']}" if version["commit"] else ""
    loaded = show.when(version["loaded_at"], today=now)
    return [
        f"torch is {word}, pid {answer['pid']}, for {up}, as {answer['address']}",
        f"{harmless(version['file'])}{commit}, loaded {loaded}",
    ]


def _trouble(answer: dict[str, Any], now: datetime) -> list[str]:
    bold = show.colours()
    lines = [part for line in trouble.lines(answer, now) for part in _broken(line)]
    return [columns.styled(line, columns.BAD, colour=bold) for line in lines]


def _broken(line: str) -> list[str]:
    """Between words where the terminal ends; what follows stands deeper."""
    room = show.room()
    if room is None or len(line) <= room:
        return [line]
    import textwrap

    return textwrap.wrap(line, max(room, 40), subsequent_indent="    ", break_on_hyphens=False)


def _left_behind(answer: dict[str, Any]) -> list[str]:
    """What runs that ended have left; it is no trouble, for cron does the same."""
    left = answer.get("left_behind", [])
    if not left:
        return []
    names = "; ".join(map(_whose, left[:_MOST_LEFT]))
    more = f"; and {len(left) - _MOST_LEFT} more" if len(left) > _MOST_LEFT else ""
    several = "process" if len(left) == 1 else "processes"
    line = f"{len(left)} {several} left behind by ended runs: {names}{more}"
    return _broken(harmless(line))


def _whose(left: dict[str, Any]) -> str:
    whose = "an unknown run" if left["run"] is None else f"{left['task']}, run {left['run']}"
    return f"{left['name']} (pid {left['pid']}) of {whose}"


def _summary(answer: dict[str, Any], now: datetime) -> str:
    """'3 tasks: 1 running, 1 failing; next run 04:23:10 (heartbeat)'."""
    tasks = answer["tasks"]
    running = sum(1 for task in tasks if task["running"])
    parts = [f"{running} running"]
    if failing := sum(map(trouble.is_bad, tasks)):
        parts.append(columns.styled(f"{failing} failing", columns.BAD, colour=show.colours()))
    if paused := sum(1 for task in tasks if task["state"] == "paused"):
        parts.append(f"{paused} paused")
    first = answer.get("summary", {}).get("next")
    start = f"; next run {show.when(first['at'], today=now)} ({first['task']})" if first else ""
    return f"{count(len(tasks), 'task')}: {', '.join(parts)}{start}"


def _again(answer: dict[str, Any]) -> list[str]:
    """Of a table that scrolls away, what must not be missed."""
    bad = [task["name"] for task in answer["tasks"] if trouble.is_bad(task)]
    if not bad:
        return []
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    line = f"{len(bad)} failing: {', '.join(bad[:5])}{more}"
    return ["", columns.styled(line, columns.BAD, colour=show.colours())]


def _row(task: dict[str, Any], now: datetime, host: str | None) -> tuple[str, ...]:
    schedule = "daemon" if task["type"] == "daemon" else ", ".join(task["schedule"])
    if host and schedule and task.get("timezone"):
        schedule += show.in_zone(task["timezone"], task["schedule"], host=host, at=now.timestamp())
    last = _last(task["last"], now)
    return (task["name"], task["state"], _running(task), last, _next(task, now), schedule)


def _running(task: dict[str, Any]) -> str:
    adopted = sum(run["adopted"] for run in task["runs"])
    return f"{task['running']}/{task['max']}" + (f", {adopted} adopted" if adopted else "")


def _last(last: dict[str, Any] | None, now: datetime) -> str:
    if last is None:
        return "-"
    return f"{last['outcome']} {show.when(last['ended_at'], today=now)}"


def _next(task: dict[str, Any], now: datetime) -> str:
    """What comes first: a fire, or what was put off (a retry, a restart, jitter); of a task that
    is paused its end."""
    put_off, paused = task.get("put_off"), task.get("paused")  # an older service does not say it
    if paused and paused["until"]:
        return f"{show.when(paused['until'], today=now)} resumes"
    following = task["next"]
    parsed = datetime.fromisoformat
    if put_off is None or (following and parsed(following) < parsed(put_off["at"])):
        return show.when(following, today=now)
    what = "" if put_off["for"] == "jitter" else f" {put_off['for']}"
    return show.when(put_off["at"], today=now) + what


def _tails(settings: Settings, tasks: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Under each of the first troubled tasks: how its newest run ended, and what it said last."""
    found: dict[int, list[str]] = {}
    for number, task in enumerate(tasks[:_MOST_TAILS]):
        if not trouble.is_bad(task) or task["last"] is None:
            break
        last = task["last"]
        said = _said(f"{settings.output}/{task['name']}/{last['run']}.log")
        code = f"exit code {last['exit_code']}" if last["exit_code"] is not None else ""
        why = ", ".join(filter(None, (code, last["reason"])))
        found[number] = [*([why] if why else []), *(f"| {line}" for line in said)]
    return found


def _said(path: str) -> list[str]:
    """The last lines of an output file; [] where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0))
            lines = last_lines(file.read(_TAIL_BYTES), _TAIL_BYTES)
    except OSError:
        return []
    return [line for line in lines if line.strip()][-_TAIL_LINES:]
