"""What each request of the control socket does: the words of `torch` at the command line.

Owns the shape of the answers ("the JSON that scripts lean on"). Every
change goes to the core as a message; every reading is of the core's state at one instant.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from torch import __version__, zone
from torch.clock import Clock, rfc3339
from torch.daemon import status
from torch.daemon.load import Loader
from torch.daemon.loop import Loop
from torch.daemon.request_fields import OLDER, require_valid
from torch.errors import TryAgain, UsageError
from torch.event import (
    Event,
    FireSkipped,
    HistoryFailed,
    HistoryRecovered,
    RunEnded,
    RunNotStarted,
    RunStarted,
    TaskResumed,
)
from torch.nearest import did_you_mean
from torch.run import Ending, Outcome, Trigger, Usage
from torch.schedule.commands import Command, Refuse, Start, Tell
from torch.schedule.messages import (
    KillAsked,
    Message,
    PauseAsked,
    ResumeAsked,
    RunAsked,
    StopAsked,
    StopMode,
)
from torch.schedule.snapshot import Snapshot, TaskView

_LONGEST = 400 * 86_400  # seconds; more than the longest duration there is
End = tuple[Ending, Usage | None]
_MODES = {"drain": StopMode.DRAIN, "now": StopMode.NOW, "keep": StopMode.KEEP}


class Requests:
    def __init__(
        self, *, loop: Loop, loader: Loader, clock: Clock, address: str,
        unit: tuple[str, bool] | None, failing: Mapping[str, Callable[[], dict[str, Any] | None]],
        left_behind: Callable[[], Awaitable[list[dict[str, Any]]]] | None = None,
    ) -> None:  # fmt: skip
        """`unit`: what systemd calls this service, and whether it is a user's systemd. `failing`:
        parts, and since when and why each does not work, if so. `left_behind`: looks for what runs
        that ended have left."""
        self._failing = failing
        self._loop = loop
        self._loader = loader
        self._clock = clock
        self._address = address
        self._unit = unit
        self._find_left_behind = left_behind
        self._since = clock.now().wall
        self._waiting: dict[str, asyncio.Future[End]] = {}
        self._endings: deque[tuple[str, End]] = deque(maxlen=64)  # ended before they were awaited
        self._known: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "left_behind": self._left_behind,
            "task": self._task,
            "names": self._names,
            "next": self._next,
            "file": self._file,
            "reload": self._reload,
            "stop": self._stop,
            "run": self._run,
            "kill": self._kill,
            "pause": self._pause,
            "resume": self._resume,
        }
        self._late: deque[float] = deque(maxlen=100)  # seconds; of the newest starts at a fire
        self._history_failed: dict[str, Any] | None = None
        self.ready = False

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises TorchError for what cannot be met."""
        return await self._known[require_valid(request)](request)

    def hear(self, event: Event) -> None:
        """Whoever waits for a run's end is told; trouble is kept for whoever asks."""
        if isinstance(event, HistoryFailed):
            since = rfc3339(self._clock.now().wall)
            self._history_failed = self._history_failed or {"since": since, "reason": event.reason}
        elif isinstance(event, HistoryRecovered):
            self._history_failed = None
        elif isinstance(event, RunStarted):
            if event.lateness is not None and event.run.trigger is Trigger.SCHEDULE:
                self._late.append(event.lateness)
        elif isinstance(event, RunEnded):
            self._end(event.run.id, (event.ending, event.usage))
        elif isinstance(event, RunNotStarted):
            ending = Ending(outcome=Outcome.FAILED, reason=event.reason)
            self._end(event.run.id, (ending, None))
        elif isinstance(event, FireSkipped):  # stopped before it began
            ending = Ending(outcome=Outcome.SKIPPED, reason=event.reason)
            self._end(event.run.id, (ending, None))

    def _end(self, run_id: str, ending: End) -> None:
        waiting = self._waiting.pop(run_id, None)
        if waiting is None:
            self._endings.append((run_id, ending))
        elif not waiting.done():
            waiting.set_result(ending)

    # ── reading ───────────────────────────────────────────────────────────────────────────

    async def _status(self, request: dict[str, Any]) -> dict[str, Any]:
        """With `soonest`: only the tasks that are busy, and so many of those that are due first.
        `left_behind`: with what runs that ended have left, which takes a look at all of /proc."""
        left = await self._left_behind(request) if request.get("left_behind") else {}
        snapshot, soonest = self._snapshot(), request.get("soonest")
        brief = bool(request.get("brief"))
        return {
            "pid": os.getpid(),
            "ready": self.ready and not snapshot.stopping,
            "stopping": snapshot.stopping,
            "since": rfc3339(self._since),
            **self._address_as_json(),
            "host": socket.gethostname(),
            "timezone": zone.current().key,
            "torch": __version__,
            "unit": self._unit and {"name": self._unit[0], "user": self._unit[1]},
            "version": self._loader.version(),
            "alerts": status.of_alerts(snapshot),
            "lateness": self._lateness(),
            "history": {"failing": self._history_failed},
            **{part: {"failing": ask()} for part, ask in self._failing.items()},
            **left,
            **status.of_all(snapshot, self._clock.now(), soonest=soonest, brief=brief),
        }

    def _lateness(self) -> dict[str, Any] | None:
        """Of the newest starts; None where there was none."""
        if not self._late:
            return None
        worst, middle = max(self._late), sorted(self._late)[len(self._late) // 2]
        return {
            "starts": len(self._late),
            "median_ms": round(middle * 1000, 1),
            "max_ms": round(worst * 1000, 1),
        }

    async def _left_behind(self, _: dict[str, Any]) -> dict[str, Any]:
        find = self._find_left_behind
        return {"left_behind": await find() if find is not None else []}

    async def _task(self, request: dict[str, Any]) -> dict[str, Any]:
        """One task as `status` shows it, without the others."""
        name = request["task"]
        found = status.of_task(self._view(name), self._clock.now())
        return {"task": found, "version": self._loader.version()} | self._address_as_json()

    async def _names(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"tasks": list(self._snapshot().names)}

    async def _next(self, request: dict[str, Any]) -> dict[str, Any]:
        """The next fire times of one task, at most `status.MOST_TIMES`."""
        name, most = request["task"], request.get("count") or 1
        return status.upcoming(self._view(name), self._clock.now(), most)

    async def _file(self, _: dict[str, Any]) -> dict[str, Any]:
        """What commands need to read the task file as this service does, and to start its like."""
        mine = self._loader.settings
        known = {"file": mine.task_file, "settings": mine.as_dict(), "timezone": zone.current().key}
        return known | {"tz": os.environ.get("TZ")} | self._address_as_json()

    def _address_as_json(self) -> dict[str, Any]:
        given = self._loader.settings.address is not None
        return {"address": self._address, "address_given": given}

    # ── changing ──────────────────────────────────────────────────────────────────────────

    async def _reload(self, request: dict[str, Any]) -> dict[str, Any]:
        if not request.get("dry_run"):
            return await self._loader.reload()
        return await self._loader.rehearse(request.get("file"))

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        live = [run for view in self._snapshot().tasks() for run in view.runs]
        mode = _MODES.get(request["mode"])
        if mode is None:
            raise UsageError("the mode of a stop must be 'drain', 'now' or 'keep'", hint=OLDER)
        self._loop.post(StopAsked(mode=mode, reason="torch stop"))
        grace = max((run.task.grace for run in live), default=0.0)
        kept = len(live) if mode is StopMode.KEEP else 0
        return {"pid": os.getpid(), "runs": len(live) - kept, "kept": kept, "grace": grace}

    async def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        task = request["task"]
        self._view(task)
        commands = await self._ask(RunAsked(task=task))
        run = next(command.run for command in commands if isinstance(command, Start))
        if not request.get("wait"):
            return {"run": run.id}
        return {"run": run.id, "ending": await self._end_of(run.id)}

    async def _end_of(self, run_id: str) -> dict[str, Any]:
        early = dict(self._endings).get(run_id)
        if early is not None:
            return _end_as_json(early)
        ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._waiting[run_id] = ended
        return _end_as_json(await ended)

    async def _kill(self, request: dict[str, Any]) -> dict[str, Any]:
        target = request["target"]
        snapshot = self._snapshot()
        view = snapshot.task(target)
        runs = [run.run.id for run in view.runs] if view is not None else []
        if not runs and snapshot.run(target) is not None:
            runs = [target]
        if not runs:  # what was asked for is so already
            self._view(target)
            return {"runs": []}
        await self._loop.ask(KillAsked(run_ids=tuple(runs), by_force=bool(request.get("by_force"))))
        return {"runs": runs}

    async def _pause(self, request: dict[str, Any]) -> dict[str, Any]:
        """A cron task's runs go on; those of a daemon task are stopped."""
        task, until = request["task"], request.get("until")
        self._view(task)
        if until is not None and not _is_ahead(until, self._clock.now().wall):
            raise UsageError("the end of a pause must be in the future", hint="example: --for 1h")
        await self._ask(PauseAsked(task=task, until=until))
        view = self._view(task)
        stopped = sum(run.stopped for run in view.runs) if view.kept else 0
        paused = status.of_task(view, self._clock.now())["paused"]
        running = len(view.runs) - stopped
        return {"task": task, "paused": paused, "running": running, "stopped": stopped}

    async def _resume(self, request: dict[str, Any]) -> dict[str, Any]:
        task = request["task"]
        self._view(task)
        commands = await self._ask(ResumeAsked(task=task))
        told = [command.event for command in commands if isinstance(command, Tell)]
        skipped = sum(e.skipped for e in told if isinstance(e, TaskResumed) and e.task == task)
        return {"task": task, "skipped": skipped, "next": rfc3339(self._view(task).next)}

    async def _ask(self, message: Message) -> tuple[Command, ...]:
        """What the core does about it. Raises TryAgain and UsageError where it refuses."""
        commands = await self._loop.ask(message)
        for command in commands:
            if isinstance(command, Refuse):
                error = TryAgain if command.for_now else UsageError
                raise error(command.reason, hint=command.hint)
        return commands

    def _snapshot(self) -> Snapshot:
        return self._loop.scheduler.snapshot()

    def _view(self, name: str) -> TaskView:
        """The task as it is now. Raises UsageError."""
        snapshot = self._snapshot()
        found = snapshot.task(name)
        if found is None:
            known = [*snapshot.names, *snapshot.run_ids()]
            hint = did_you_mean(name, known, otherwise="see: torch tasks")
            where = self._loader.settings.where
            raise UsageError(f"no task or active run '{name}' on this host ({where})", hint=hint)
        return found


def _end_as_json(end: End) -> dict[str, Any]:
    """Usage as `torch runs --json` has it."""
    ending, usage = end
    return asdict(ending) | {
        "max_rss": None if usage is None else usage.max_rss,
        "cpu_seconds": None if usage is None else round(usage.cpu_seconds, 6),
    }


def _is_ahead(until: float, wall: float) -> bool:
    return wall < until < wall + _LONGEST
