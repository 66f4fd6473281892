"""inbox -> handle -> perform: the one thread in which everything happens.

Owns the inbox and the order of performing: all messages that are there are heard, what they
ask to be recorded is written in one transaction, and only then is the rest done. Signals,
threads, timers and requests do nothing but post. Must not decide, nor know how a command is
performed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch.clock import Clock
from torch.daemon import promises
from torch.daemon.recorder import RETRY, Recorder, Written
from torch.daemon.start_queue import failed_start
from torch.daemon.supervisor import Supervisor
from torch.event import Event
from torch.linux import CLOCK_BOOTTIME, CLOCK_REALTIME, Timer
from torch.schedule.commands import Command, Leave, ReadFile, Refuse, Send, Start, Stop, Tell, Watch
from torch.schedule.messages import (
    HistoryReset,
    Message,
    PauseAsked,
    ResumeAsked,
    StopAsked,
    Unrecorded,
    Woke,
)
from torch.schedule.record import Paused, Record
from torch.schedule.scheduler import Scheduler

_C = TypeVar("_C", Send, Watch, ReadFile)
_Answer = asyncio.Future[tuple[Command, ...]]
_Heard = tuple[Message, _Answer | None]

BEAT = 60.0
"""Seconds between two signs of life in the history, which say how long a service lived that was
killed: `torch explain` tells by them when nobody was there to fire."""

_LOST = "this fire has its disposition already"


class Loop:
    def __init__(
        self, *, scheduler: Scheduler, clock: Clock, recorder: Recorder,
        tell: Callable[[Event], None],
    ) -> None:  # fmt: skip
        self.scheduler = scheduler
        self._clock = clock
        self._recorder = recorder
        self._tell = tell
        self._supervisor: Supervisor | None = None
        self._beside: dict[type[Command], Callable[[Any], None]] = {}
        self._inbox: deque[_Heard] = deque()
        self._draining = False
        self._retry: asyncio.TimerHandle | None = None
        self._failing = False
        self._left = asyncio.Event()
        self._timers = {c: Timer(c) for c in (CLOCK_REALTIME, CLOCK_BOOTTIME)}
        for timer in self._timers.values():
            asyncio.get_running_loop().add_reader(timer.fd, self._wake, timer)
        self._closed = False
        self.at_beat: list[Callable[[], None]] = []
        self.lost: Callable[[], str] = lambda: ""  # why this service must end at once
        self._beat_timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def perform_by(self, supervisor: Supervisor) -> None:
        """Loop and supervisor need each other; this joins them."""
        self._supervisor = supervisor

    def perform_beside(self, command: type[_C], perform: Callable[[_C], None]) -> None:
        """Commands of this type are performed so: by a part that no start waits for."""
        self._beside[command] = perform

    def post(self, message: Message) -> None:
        """Puts a message into the inbox. From this thread only."""
        self._enqueue(message, None)

    def _post_first(self, message: Unrecorded) -> None:
        """Before all else: a slot that frees up must not go to a fire that has no row."""
        self._enqueue(message, None)
        self._inbox.rotate(1)

    async def ask(self, message: Message) -> tuple[Command, ...]:
        """Posts a message; returns what the core answered, once that is performed."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._enqueue(message, answer)
        return await answer

    async def until_left(self) -> None:
        """Returns when the core has said that nothing is left to do."""
        await self._left.wait()

    def _beat(self) -> None:
        self._beat_timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
        self._end_if_lost()
        self._follow(self._recorder.write([Record()], self._clock.now()))
        for each in self.at_beat:
            each()

    def _end_if_lost(self) -> None:
        """First of all: what is due would be started by another service too."""
        if not self.scheduler.stopping and (reason := self.lost()):
            self._enqueue(StopAsked(reason=reason), None)
            self._inbox.rotate(1)

    def close(self) -> None:
        """What was posted until now is heard and recorded; of what comes later nobody hears."""
        while self._inbox:
            self._drain()
        self._recorder.write([], self._clock.now())  # what is owed: a last try
        self._closed = True
        self._beat_timer.cancel()
        if self._retry is not None:
            self._retry.cancel()
        for timer in self._timers.values():
            asyncio.get_running_loop().remove_reader(timer.fd)
            timer.close()

    def _enqueue(self, message: Message, answer: _Answer | None) -> None:
        if self._closed:
            if answer is not None:
                answer.cancel()
            return
        self._inbox.append((message, answer))
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _wake(self, timer: Timer) -> None:
        timer.clear()
        self.post(Woke())

    def _drain(self) -> None:
        if self._closed:
            return
        self._end_if_lost()
        self._draining = False
        answers: list[tuple[_Answer | None, tuple[Command, ...]]] = []
        records: list[Record] = []
        acts: list[Command] = []
        # Time comes last: a run that has ended by now is not told that its timeout is over.
        heard = sorted(self._inbox, key=lambda each: isinstance(each[0], Woke))
        self._inbox.clear()
        unwritable = self._try(heard)
        undo: list[tuple[int, Message]] = []  # of a promise: its answer's place, what takes it back
        for message, answer in heard:
            promised = answer is not None and promises.is_promise(message)
            if promised and unwritable:
                answers.append((answer, promises.unrecorded(unwritable)))
                continue
            before = self._pause_of(message) if promised else None
            commands = self.scheduler.handle(message, self._clock.now())
            if promised and (undoes := promises.undoing(message, before, commands)):
                undo.append((len(answers), undoes))
            records += [c for c in commands if isinstance(c, Record)]
            acts += [c for c in commands if not isinstance(c, Record)]
            answers.append((answer, commands))
        written = self._recorder.write(records, self._clock.now())
        self._follow(written)
        for place, back in reversed(undo) if written.failed else ():
            answers[place] = (answers[place][0], promises.unrecorded(written.failed))
            self.post(back)
        for act in acts:
            try:
                self._perform(act, written.refused)
            except Exception as error:  # noqa: BLE001  # a fault of ours must not stop the others
                self._fault(error)
                if isinstance(act, Start):  # else its slot would never be free again
                    self.post(failed_start(act.run.id, error))
        for answer, commands in answers:
            if answer is not None and not answer.done():
                answer.set_result(_answered(commands, written))
        self._set_timers()

    def _try(self, heard: Sequence[_Heard]) -> str:
        """Why the history cannot be written, found out before the core hears of what must be in it
        to be true; '' if it can, or nothing of that kind was asked."""
        if not any(answer is not None and promises.is_promise(m) for m, answer in heard):
            return ""
        written = self._recorder.write([Record()], self._clock.now())
        self._follow(written)
        return written.failed

    def _pause_of(self, message: Message) -> Paused | None:
        task = message.task if isinstance(message, PauseAsked | ResumeAsked) else ""
        view = self.scheduler.snapshot().task(task)
        return None if view is None else view.paused

    def _fault(self, error: Exception) -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "a command failed", "exception": error})

    def _follow(self, written: Written) -> None:
        """The core hears which intents were refused; ends that are on disk free their files."""
        if self._supervisor is not None:
            self._supervisor.forget(written.ended)
        if written.reset:
            self.post(HistoryReset())
        if written.failed:
            if written.refused or not self._failing:
                run_ids = tuple(sorted(written.refused))
                self._post_first(Unrecorded(run_ids=run_ids, reason=written.failed))
            if self._retry is None:
                self._retry = asyncio.get_running_loop().call_later(RETRY, self._write_owed)
            self._failing = True
            return
        self._failing = False
        if written.refused:
            run_ids = tuple(sorted(written.refused))
            self._post_first(Unrecorded(run_ids=run_ids, reason=_LOST, lost=True))

    def _write_owed(self) -> None:
        self._retry = None
        self._follow(self._recorder.write([], self._clock.now()))

    def _perform(self, act: Command, refused: frozenset[str]) -> None:
        match act:
            case Start() if act.run.id not in refused and self._supervisor is not None:
                self._supervisor.start(act)
            case Stop() if self._supervisor is not None:
                self._supervisor.stop(act.run_id, by_force=act.by_force)
            case Tell():
                self._tell(act.event)
            case Leave():
                self._left.set()
            case _ if type(act) in self._beside:
                self._beside[type(act)](act)
            case _:
                pass

    def _set_timers(self) -> None:
        at = self.scheduler.wake_at
        self._timers[CLOCK_REALTIME].set(at.wall)
        self._timers[CLOCK_BOOTTIME].set(at.mono)


def _answered(commands: tuple[Command, ...], written: Written) -> tuple[Command, ...]:
    """The answer to a request; one whose run could not be recorded becomes a refusal."""
    for command in commands:
        if isinstance(command, Start) and command.run.id in written.refused:
            return (Refuse(reason=f"the history could not be written: {written.failed}"),)
    return commands
