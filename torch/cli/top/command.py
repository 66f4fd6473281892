"""torch top: what runs now, how far it is and what it uses, drawn anew every two seconds.

Owns the looks: one question to the service, one pass over /proc, and the history only when a task
has started anew. Nothing is changed by looking.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict
from typing import Any

import click

from torch import zone
from torch.cli import show
from torch.cli.options import Seconds, complete_here, json_option, place_options, timeout_option
from torch.cli.terminal import screen
from torch.cli.top import board
from torch.client.asking import ask
from torch.client.usage import Looks
from torch.clock import SystemClock, local
from torch.errors import NotRunning, TorchError, TryAgain
from torch.history import usual
from torch.settings import Settings

_SOONEST = 8
"""Tasks that are due next, of which the service tells."""
_DAY = 86_400


@click.command()
@click.option("--once", is_flag=True, help="Print once and exit, as in a pipe.")
@click.option("-d", "--delay", type=Seconds(), default=2.0, show_default=True, metavar="SECONDS",
              help="Seconds between refreshes.")  # fmt: skip
@json_option
@timeout_option
@place_options
def top(settings: Settings, once: bool, delay: float, as_json: bool, timeout: float) -> None:
    """Show active runs live, with age, CPU and memory. Quit with q or Ctrl-C.

    Failing tasks come first, the next runs last. OF USUAL compares the age of a run with the
    typical duration: the median of the task's newest successful runs. CPU is that since the last
    refresh; at first, that since the start of the run.
    """
    looks = _Top(settings, timeout)
    try:
        seen = looks.look()
    except NotRunning:
        from torch.cli import left

        left.tell(settings)
        raise
    if as_json:
        show.document(_document(seen))
    elif once or show.room() is None:
        room, height = (show.room() or 1000), 10_000
        click.echo("\n".join(board.frame(seen, room=room, height=height, colour=show.colours())))
    else:
        with contextlib.suppress(KeyboardInterrupt), screen.Screen() as drawn:
            while True:
                drawn.show(looks.frame())
                if drawn.wait(delay) in ("q", "Q", "\x03"):
                    break


class _Top:
    """What is kept from one look to the next."""

    def __init__(self, settings: Settings, timeout: float) -> None:
        import psutil

        self._psutil = psutil
        self._settings = settings
        self._timeout = timeout
        self._looks = Looks()
        self._asked: dict[str, tuple[str, ...]] = {}  # task -> the runs for which it was looked up
        self._usual: dict[str, float] = {}
        self._starts: dict[str, int] = {}
        self._first = True

    def frame(self) -> list[str]:
        """A service that goes away, or comes back, is a frame like any other."""
        room, height = show.size()
        try:
            return board.frame(self.look(), room=room, height=height, colour=show.colours())
        except TorchError as error:
            from torch.report.errors import describe

            complete_here(error)
            return describe(error).split("\n")

    def look(self) -> board.Seen:
        request = {"do": "status", "soonest": _SOONEST}
        answer = ask(self._settings, request, timeout=self._timeout)
        if "summary" not in answer:
            raise TryAgain(
                "the service is of an older version than this command", hint="torch restart"
            )
        zone.adopt_key(answer.get("timezone"))
        now = SystemClock().now()
        pids = {run["pid"] for task in answer["tasks"] for run in task["runs"] if run["pid"]}
        self._ask_history(answer["tasks"], now.wall)
        return board.Seen(
            answer=answer,
            host=self._host(answer["host"]),
            now=local(now.wall),
            usage=self._looks.look(pids, now.mono),
            usual=self._usual,
            starts=self._starts,
        )

    def _host(self, name: str) -> board.Host:
        cpu = self._psutil.cpu_percent(interval=None)  # since the call before
        first, self._first = self._first, False
        memory = self._psutil.virtual_memory()
        return board.Host(
            name=name, load=os.getloadavg(), cpu=None if first else cpu,
            used=memory.total - memory.available, total=memory.total,
        )  # fmt: skip

    def _ask_history(self, tasks: list[dict[str, Any]], wall: float) -> None:
        """Once per task and start: what is usual moves slowly."""
        fresh = {}
        for task in tasks:
            runs = tuple(run["id"] for run in task["runs"])
            if runs and self._asked.get(task["name"]) != runs:
                self._asked[task["name"]] = runs
                fresh[task["name"]] = task["type"]
        cron = [name for name, kind in fresh.items() if kind != "daemon"]
        daemons = [name for name, kind in fresh.items() if kind == "daemon"]
        with contextlib.suppress(TorchError):
            self._usual |= usual.durations(self._settings.history, cron) if cron else {}
            if daemons:
                self._starts |= usual.starts(self._settings.history, daemons, wall - _DAY)


def _document(seen: board.Seen) -> dict[str, Any]:
    """The answer of the service about what is busy, each run with what it uses."""
    tasks = [
        task
        | {
            "usual_seconds": seen.usual.get(task["name"]),
            "runs": [run | _used(seen, run["pid"]) for run in task["runs"]],
        }
        for task in seen.answer["tasks"]
    ]
    return {**seen.answer, "load": asdict(seen.host), "tasks": tasks}


def _used(seen: board.Seen, pid: int | None) -> dict[str, Any]:
    usage = seen.usage.get(pid or 0)
    if usage is None:
        return {"cpu_seconds": None, "memory": None, "processes": None}
    return {"cpu_seconds": usage.seconds, "memory": usage.memory, "processes": usage.count}
