"""What each request of the control socket does: the words of `torch` at the command line.

Owns the shape of the answers ("the JSON that scripts lean on"). Every
change goes to the core as a message; every reading is of the core's state at one instant.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from torch.clock import Clock, rfc3339
from torch.daemon.load import Loader
from torch.daemon.loop import Loop
from torch.errors import TryAgain, UsageError
from torch.event import Event, RunEnded, RunNotStarted
from torch.run import Ending, Outcome
from torch.schedule.firing import TaskState
from torch.schedule.live import LiveRun
from torch.schedule.messages import KillAsked, Refuse, RunAsked, Start, StopAsked, StopMode
from torch.task import TaskType

_MODES = {"drain": StopMode.DRAIN, "now": StopMode.NOW}


class Requests:
    def __init__(self, *, loop: Loop, loader: Loader, clock: Clock, address: str) -> None:
        self._loop = loop
        self._loader = loader
        self._clock = clock
        self._address = address
        self._since = clock.now().wall
        self._waiting: dict[str, asyncio.Future[Ending]] = {}
        self._endings: deque[tuple[str, Ending]] = deque(
            maxlen=64
        )  # ended before they were awaited
        self._known: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "file": self._file,
            "reload": self._reload,
            "stop": self._stop,
            "run": self._run,
            "kill": self._kill,
        }
        self.ready = False

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises TorchError for what cannot be met."""
        do = self._known.get(str(request.get("do")))
        if do is None:
            raise UsageError(f"unknown request '{request.get('do')}'", hint="upgrade torch?")
        return await do(request)

    def hear(self, event: Event) -> None:
        """Whoever waits for a run's end is told."""
        if isinstance(event, RunEnded):
            self._end(event.run.id, event.ending)
        elif isinstance(event, RunNotStarted):
            self._end(event.run.id, Ending(outcome=Outcome.FAILED, reason=event.reason))

    def _end(self, run_id: str, ending: Ending) -> None:
        waiting = self._waiting.pop(run_id, None)
        if waiting is None:
            self._endings.append((run_id, ending))
        elif not waiting.done():
            waiting.set_result(ending)

    # ── reading ───────────────────────────────────────────────────────────────────────────

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "ready": self.ready and not self._loop.scheduler.stopping,
            "stopping": self._loop.scheduler.stopping,
            "since": rfc3339(self._since),
            "address": self._address,
            "address_given": self._loader.settings.address is not None,
            "host": socket.gethostname(),
            "version": self._loader.version(),
            "tasks": [self._task(state) for state in self._loop.scheduler.states()],
        }

    async def _file(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"file": self._loader.settings.task_file}

    def _task(self, state: TaskState) -> dict[str, Any]:
        scheduler = self._loop.scheduler
        task = state.task
        live = scheduler.live.of(task.name)
        return {
            "name": task.name,
            "type": task.type.value,
            "state": _word(state, len(live)),
            "running": len(live),
            "max": task.max,
            "waiting": len(state.waiting),
            "last": _last(state),
            "next": rfc3339(scheduler.next_fire(task.name)),
            "schedule": [schedule.text for schedule in task.schedule],
            "description": task.description,
            "owner": task.owner,
            "runs": [_live(run) for run in live],
        }

    # ── changing ──────────────────────────────────────────────────────────────────────────

    async def _reload(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._loader.reload(dry_run=bool(request.get("dry_run")))

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        states = self._loop.scheduler.states()
        live = [run for s in states for run in self._loop.scheduler.live.of(s.task.name)]
        mode = _MODES.get(str(request.get("mode")))
        if mode is None:
            raise UsageError("a stop is 'drain' or 'now'", hint="keeping runs is not there yet")
        self._loop.post(StopAsked(mode=mode, reason="torch stop"))
        grace = max((run.task.grace for run in live), default=0.0)
        return {"pid": os.getpid(), "runs": len(live), "grace": grace}

    async def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        task = str(request.get("task"))
        self._must_know(task)
        commands = await self._loop.ask(RunAsked(task=task))
        for command in commands:
            if isinstance(command, Refuse):
                error = TryAgain if command.for_now else UsageError
                raise error(command.reason, hint=command.hint)
        run = next(command.run for command in commands if isinstance(command, Start))
        if not request.get("wait"):
            return {"run": run.id}
        return {"run": run.id, "ending": asdict(await self._end_of(run.id))}

    async def _end_of(self, run_id: str) -> Ending:
        early = dict(self._endings).get(run_id)
        if early is not None:
            return early
        ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting[run_id] = ended
        return await ended

    async def _kill(self, request: dict[str, Any]) -> dict[str, Any]:
        target = str(request.get("target"))
        live = self._loop.scheduler.live
        runs = [run.run.id for run in live.of(target)]
        if not runs and live.get(target) is not None:
            runs = [target]
        if not runs:
            self._must_know(target)
            raise TryAgain(f"nothing of '{target}' is running", hint="see: torch status")
        await self._loop.ask(KillAsked(run_ids=tuple(runs), by_force=bool(request.get("by_force"))))
        return {"runs": runs}

    def _must_know(self, name: str) -> None:
        names = [state.task.name for state in self._loop.scheduler.states()]
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean '{near[0]}'?" if near else "see: torch tasks"
            raise UsageError(f"no task or live run '{name}' on this host", hint=hint)


def _word(state: TaskState, live: int) -> str:
    """A task's state in one word, the most urgent first."""
    if not state.present:
        return "removed"
    if not state.task.enabled:
        return "disabled"
    if state.keeper is not None and state.keeper.crash_looping:
        return "crash-looping"
    if state.task.type is TaskType.DAEMON and live < state.task.max:
        return "restarting"
    if live:
        return "running"
    return "failing" if _bad(state) else "idle"


def _bad(state: TaskState) -> bool:
    return state.last is not None and state.last[1].outcome not in (
        Outcome.SUCCEEDED,
        Outcome.KILLED,
    )


def _last(state: TaskState) -> dict[str, Any] | None:
    if state.last is None:
        return None
    run, ending, at = state.last
    return {
        "run": run.id,
        "fire_time": rfc3339(run.fire_time),
        "outcome": ending.outcome.value,
        "exit_code": ending.exit_code,
        "reason": ending.reason,
        "ended_at": rfc3339(at, milliseconds=True),
    }


def _live(live: LiveRun) -> dict[str, Any]:
    return {
        "id": live.run.id,
        "pid": live.pid,
        "state": live.state.value,
        "trigger": live.run.trigger.value,
        "fire_time": rfc3339(live.run.fire_time),
        "started_at": rfc3339(live.started.wall, milliseconds=True) if live.started else None,
    }
