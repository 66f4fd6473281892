"""The task file on its way into the core: read by a process of its own, in small slices.

Owns which version is in force and why the last one was refused. YAML, its libraries and the
memory they need never enter the service: `torch.taskfile.reader` runs, answers and ends, a
hostile file is its problem, and a reload of any size delays no start by more than a slice. A file
that is being saved is waited for, as `settling` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import zone
from torch.clock import Clock, FireTime, rfc3339
from torch.daemon import reader, reloaded, save_wait
from torch.daemon.loop import Loop
from torch.daemon.systemd import Systemd
from torch.errors import Problem, TaskFileError, TryAgain
from torch.event import Event, HostZoneChanged, ReloadRefused, TaskFileWarned
from torch.schedule.commands import ReadFile
from torch.schedule.messages import Loaded, ReadOver, ReloadAsked
from torch.schedule.reload import Diff
from torch.settings import Settings
from torch.task import Task
from torch.taskfile.reading import Reading, Request, shape
from torch.taskfile.settling import Doubt
from torch.zone import HostZone

MISSING_FOR = 2.0
"""Seconds a file that is being replaced may be away before that is called a problem."""


class Loader:
    def __init__(
        self, settings: Settings, *, loop: Loop, clock: Clock, tell: Callable[[Event], None],
        systemd: Systemd,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._loop = loop
        self._clock = clock
        self._tell = tell
        self._systemd = systemd
        self._tasks: dict[str, Task] = {}
        self._version: reloaded.LoadedFile | None = None
        self._problem = ""  # why the file on disk is not the one in force
        self._settling = save_wait.Settling(clock=clock, tell=tell)
        self._busy = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None

    # ── in ────────────────────────────────────────────────────────────────────────────────

    async def first_load(
        self, recover: Callable[[dict[str, Task]], Awaitable[None]], *,
        decided: Mapping[str, tuple[str, FireTime]], rebooted: bool,
    ) -> Reading:  # fmt: skip
        """Reads the file and gives it to the core, after what `recover` has for it. Raises
        TaskFileError and TryAgain: nothing starts."""
        reading, fresh = await self._first_reading()
        if reading.refused:
            raise TaskFileError(reading.problems)
        self._warn(reading)
        tasks = self._assemble(reading, fresh)
        since = reloaded.decided(decided, tasks)
        await recover({task.name: task for task in tasks})
        await self._take(reading, tasks, since=since, rebooted=rebooted)
        return reading

    def reload_soon(self) -> None:
        """A signal or the watcher asks."""
        self._loop.post(ReloadAsked())

    def read(self, command: ReadFile) -> None:
        """Performs it beside everything else."""
        self._background = asyncio.get_running_loop().create_task(self._read_beside(command))

    async def _read_beside(self, command: ReadFile) -> None:
        again_in = None
        try:
            answer = await self._reload(patient=True, is_said=command.is_asked)
            if self._settling.waiting() is not None:
                if self._settling.gets_overdue():
                    self._refuse(tuple(Problem(**each) for each in answer["problems"]))
                again_in = self._settling.pause()
        finally:
            self._loop.post(ReadOver(again_in=again_in))

    async def reload(self) -> dict[str, Any]:
        """Reads the file again; a good one is in force when this returns. The answer says what
        changed, or the problems. A file that is still being saved after a while is loaded later,
        and the answer says so."""
        until = self._clock.now().mono + save_wait.PERSON_LIMIT
        answer = await self._reload()
        while self._settling.waiting() is not None and self._clock.now().mono < until:
            await asyncio.sleep(save_wait.SOON)
            answer = await self._reload()
        if self._settling.waiting() is not None:
            self.reload_soon()
        return answer

    async def _reload(self, *, patient: bool = False, is_said: bool = True) -> dict[str, Any]:
        """`patient`: nobody waits for the answer. A file that is missing may be in the middle of
        being replaced, and is waited for. `is_said`: to systemd, which is not told of each look
        at a file that is saved."""
        async with self._busy:
            with self._systemd.reloading() if is_said else contextlib.nullcontext():
                return await self._reload_now(patient=patient)

    async def _reload_now(self, *, patient: bool) -> dict[str, Any]:
        if patient:
            await self._until_there()
        reading, fresh = await self._read()
        is_new = not self._is_in_force(reading)
        if is_new and (against := self._settling.judge(reading.save, asked=not patient)):
            if not against.for_now:
                self._refuse((self._problem_of(against),))
            return self._unchanged((self._problem_of(against),))
        self._settling.settle()
        if reading.refused:
            self._refuse(reading.problems)
            return self._unchanged(reading.problems)
        tasks = self._assemble(reading, fresh)
        found, then = self._loop.scheduler.rehearse(tasks)
        if not is_new:
            self._settling.take(reading.save)
            self._adopt(reading.zone)
            self._problem = ""
            self._systemd.stand_well()
        else:
            self._warn(reading)
            await self._take(reading, tasks, found=found)
        return reloaded.answer(reading, found, then, version=self.version())

    async def rehearse(self, file: str | None = None) -> dict[str, Any]:
        """What a reload would change, and what would become of each run; changes nothing.
        `file`: the path of one that would be put in place of the service's own."""
        async with self._busy:
            reading, fresh = await self._read(file)
            is_ours = file in (None, self.settings.task_file)
            is_new = not self._is_in_force(reading)
            if is_new and (against := self._settling.rehearse(reading.save, is_ours=is_ours)):
                answer = self._unchanged((self._problem_of(against),))
                if against.for_now:
                    since = rfc3339(self._clock.now().wall)
                    answer["version"]["waiting"] = {"since": since, "reason": against.message}
                return answer
            if reading.refused:
                return self._unchanged(reading.problems)
            tasks = self._assemble(reading, fresh)
            found, then = self._loop.scheduler.rehearse(tasks)
            return reloaded.answer(reading, found, then, version=self.version())

    def _unchanged(self, problems: tuple[Problem, ...]) -> dict[str, Any]:
        return reloaded.unchanged(problems, len(self._tasks), version=self.version())

    def _is_in_force(self, reading: Reading) -> bool:
        """Whether nothing is new: the same bytes, and the same tasks of them for this host."""
        current = self._version
        return current is not None and current.is_of(reading, self._tasks)

    def _problem_of(self, against: Doubt) -> Problem:
        return save_wait.problem(against, self.settings.task_file)

    async def _first_reading(self) -> tuple[Reading, dict[str, Task]]:
        """Raises TryAgain if the file is being written all the time."""
        while True:
            reading, fresh = await self._read()
            if (against := self._settling.judge(reading.save)) is None:
                return reading, fresh
            if self._settling.is_over(save_wait.START_LIMIT):
                found = self._problem_of(against)
                raise TryAgain(f"{found.file}: {found.message}", hint=found.hint)
            await asyncio.sleep(save_wait.SOON)

    async def _until_there(self) -> None:
        """A file that is missing may come back in a moment; the reader says so if it does not."""
        for _ in range(10):
            if os.path.exists(self.settings.task_file):
                return
            await asyncio.sleep(MISSING_FOR / 10)

    def version(self) -> dict[str, Any]:
        """The `version` of `torch status`."""
        current = self._version
        return {
            "file": self.settings.task_file,
            "hash": current.reading.hash if current else None,
            "commit": current.reading.commit if current else None,
            "loaded_at": rfc3339(current.at) if current else None,
            "problem": self._problem or None,
            "waiting": self._settling.waiting(),
            "elsewhere": current.reading.elsewhere if current else 0,
        }

    def task(self, name: str) -> Task | None:
        """The task of the file in force."""
        return self._tasks.get(name)

    async def _take(
        self, reading: Reading, tasks: tuple[Task, ...], *,
        since: dict[str, FireTime] | None = None, rebooted: bool = False,
        found: Diff | None = None,
    ) -> None:  # fmt: skip
        """The good file is in force from here on."""
        self._adopt(reading.zone)
        self._tasks = {task.name: task for task in tasks}
        self._settling.take(reading.save)
        file = replace(reading, order=())  # the tasks have that themselves
        self._version = reloaded.LoadedFile(reading=file, at=self._clock.now().wall)
        self._problem = ""
        await self._loop.ask(
            Loaded(
                tasks=tasks, version=reading.hash, channels=reading.channels,
                commit=reading.commit, since=since, rebooted=rebooted, diff=found,
            )
        )  # fmt: skip

    def _adopt(self, found: HostZone) -> None:
        before = zone.current().key
        zone.adopt(found)
        if found.key != before:
            self._tell(HostZoneChanged(zone=found.key, before=before))

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        self._problem = f"{first.place()}: {first.message}"
        version = self._version.reading.hash if self._version else ""
        self._tell(ReloadRefused(version=version, problems=problems))

    def _warn(self, reading: Reading) -> None:
        for problem in reading.problems:
            self._tell(TaskFileWarned(problem=problem))

    def _assemble(self, reading: Reading, fresh: dict[str, Task]) -> tuple[Task, ...]:
        """This host's tasks in file order: those that changed are fresh, the others stay."""
        return tuple(fresh.get(name) or self._tasks[name] for name, _ in reading.order)

    # ── the reader process ────────────────────────────────────────────────────────────────

    async def _read(self, file: str | None = None) -> tuple[Reading, dict[str, Task]]:
        """One reading; of another file than ours if one is named."""
        request = Request(
            path=file or self.settings.task_file,
            addresses=(self.settings.address,) if self.settings.address else None,
            known={name: task.digest for name, task in self._tasks.items()},
            shape=shape(),
        )
        return await reader.read(request, blamed=self.settings.task_file)
