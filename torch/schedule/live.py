"""The live runs of every task: their states, their slots and their deadlines.

Owns what is alive and until when it may be: a run is here from the moment its slot is
reserved to the moment its end is known, so counting these is counting slots, and `max`
holds because reserving and counting happen in the same place. Must not know schedules.
Deadlines are on the monotonic clock: no clock step ever shortens a timeout.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from torch.clock import FireTime, Now
from torch.event import RunAdopted, RunEnded, RunStarted, RunStopping
from torch.run import Ending, Outcome, Run, State, Trigger, due_at, lateness, move
from torch.schedule.answer import Answer
from torch.schedule.messages import Ended, Found, Trace
from torch.task import Task


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """A run and the definition it started with, which it keeps whatever is reloaded."""

    run: Run
    task: Task
    state: State = State.INTENT
    started: Now | None = None
    pid: int | None = None
    fate: Ending | None = None  # set when we stop it: what its end will be called, and why
    forced: bool = False
    adopted: bool = False  # an earlier service started it
    of_host: bool = False  # it did not begin, and not by a fault of its task
    due: float | None = None  # wall seconds; it was to begin then

    def seconds(self, mono: float) -> float:
        return mono - self.started.mono if self.started else 0.0


class Deadlines:
    """Monotonic instants at which something must be looked at again. Asking for one twice is
    asking once: daemon tasks ask at every look, and each look must not breed another."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str, str]] = []
        self._of_key: dict[str, set[tuple[float, str]]] = {}
        self._dead = 0  # places in the heap whose key was forgotten

    def add(self, mono: float, kind: str, key: str) -> None:
        known = self._of_key.setdefault(key, set())
        if (mono, kind) not in known:
            known.add((mono, kind))
            heapq.heappush(self._heap, (mono, kind, key))

    def forget(self, key: str) -> None:
        """Nothing of this key needs a look any more. Its places die where they lie, and are
        cleared when most are dead: short runs with a long timeout must not pile up."""
        self._dead += len(self._of_key.pop(key, ()))
        if self._dead > 64 and self._dead > len(self._heap) // 2:
            self._heap = [(m, kind, key) for key, of in self._of_key.items() for m, kind in of]
            heapq.heapify(self._heap)
            self._dead = 0

    def first(self) -> float | None:
        while self._heap:
            mono, kind, key = self._heap[0]
            if (mono, kind) in self._of_key.get(key, ()):
                return mono
            heapq.heappop(self._heap)
            self._dead -= 1
        return None

    def pop_due(self, mono: float) -> Iterator[tuple[str, str]]:
        """(kind, key), each once: one look serves all runs of a daemon task, and ten thousand of
        them may have begun one by one."""
        told = set()
        while (at := self.first()) is not None and at <= mono:
            _, kind, key = heapq.heappop(self._heap)
            known = self._of_key[key]
            known.discard((at, kind))
            if not known:
                del self._of_key[key]
            if (kind, key) not in told:
                told.add((kind, key))
                yield kind, key


class LiveRuns:
    def __init__(self, run_ids: Iterator[str], deadlines: Deadlines) -> None:
        self.version = ""  # of the task file now in force
        self._run_ids = run_ids
        self._deadlines = deadlines
        self._runs: dict[str, LiveRun] = {}
        self._of_task: dict[str, dict[str, LiveRun]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: str) -> LiveRun | None:
        return self._runs.get(run_id)

    def of(self, task: str) -> tuple[LiveRun, ...]:
        """A task's live runs, oldest first."""
        return tuple(self._of_task.get(task, {}).values())

    def count(self, task: str) -> int:
        return len(self._of_task.get(task, ()))

    def all(self) -> tuple[LiveRun, ...]:
        return tuple(self._runs.values())

    def name(
        self, task: str, trigger: Trigger, *, fire_time: FireTime | None = None, attempt: int = 1
    ) -> Run:
        """A new identity; it holds no slot yet."""
        return Run(
            id=next(self._run_ids),
            task=task,
            trigger=trigger,
            fire_time=fire_time,
            attempt=attempt,
            version=self.version,
        )

    def reserve(
        self, run: Run, task: Task, answer: Answer, *, at: FireTime | None = None,
        due: float | None = None,
    ) -> LiveRun:  # fmt: skip
        """Takes a slot and asks for the start. The intent must be on record, or in `answer`.
        `due`: when it was to begin, if something had put it off."""
        live = LiveRun(run=run, task=task, due=due_at(run) if due is None else due)
        self._runs[run.id] = live
        self._of_task.setdefault(run.task, {})[run.id] = live
        answer.start(run, task, at)
        return live

    def adopt(self, found: Found, now: Now, answer: Answer) -> LiveRun:
        """Takes over a run of an earlier service, with its slot and its timeout."""
        # A reaper that does not answer may be about to begin it: then its start is still to come.
        unborn = found.trace is Trace.ALIVE and found.pid is None
        live = LiveRun(
            run=found.run, task=found.task, state=State.INTENT if unborn else State.RUNNING,
            started=found.started, pid=found.pid, adopted=True, due=due_at(found.run),
        )  # fmt: skip
        self._runs[found.run.id] = live
        self._of_task.setdefault(found.run.task, {})[found.run.id] = live
        if found.pid is not None and found.started is not None:
            answer.started(found.run, at=found.started.wall, pid=found.pid)
        if found.trace not in (Trace.ALIVE, Trace.LEFT):  # over: its end is heard next
            live.fate = found.fate
            return live
        answer.tell(RunAdopted(run=found.run, pid=found.pid))
        if found.started is not None and found.task.timeout is not None:
            mono = found.started.mono + found.task.timeout
            self._deadlines.add(mono, "timeout", found.run.id)
        if found.fate is not None:  # the signal may not have been sent; a second one is harmless
            away = max(now.wall - (found.stopping_at or now.wall), 0.0)
            self.stop(live, found.fate, now, answer, grace_used=away)
        return live

    def started(self, run_id: str, pid: int, now: Now, answer: Answer) -> LiveRun | None:
        live = self._runs.get(run_id)
        if live is None:
            return None
        live.pid, live.started = pid, now
        if live.state is State.INTENT:  # else a stop overtook the start
            live.state = move(live.state, State.RUNNING)
            if live.task.timeout is not None:
                self._deadlines.add(now.mono + live.task.timeout, "timeout", run_id)
        late = lateness(now.wall, live.due)
        answer.started(live.run, at=now.wall, pid=pid, due=live.due)
        answer.tell(RunStarted(run=live.run, pid=pid, lateness=late))
        return live

    def stop(
        self, live: LiveRun, fate: Ending, now: Now, answer: Answer, *, by_force: bool = False,
        grace_used: float = 0.0,
    ) -> None:  # fmt: skip
        """SIGTERM now and SIGKILL after the grace; by force: SIGKILL now. Repeating is harmless.
        `grace_used`: seconds of the grace that have passed under an earlier service."""
        if live.fate is None:
            live.fate = fate
        if live.state is State.STOPPING and not by_force:
            return
        if live.forced:
            return
        if live.state is not State.STOPPING:
            live.state = move(live.state, State.STOPPING)
        live.forced = by_force
        answer.stop(live.run, live.fate, at=now.wall, by_force=by_force)
        answer.tell(RunStopping(run=live.run, reason=live.fate.reason, by_force=by_force))
        if not by_force:
            left = max(live.task.grace - grace_used, 0.0)
            self._deadlines.add(now.mono + left, "grace", live.run.id)

    def overdue(self, kind: str, run_id: str, now: Now, answer: Answer) -> None:
        """A timeout or a grace has passed."""
        live = self._runs.get(run_id)
        if live is None:
            return
        if kind == "timeout":
            reason = f"timeout ({live.task.timeout:g} s)"
            self.stop(live, Ending(outcome=Outcome.TIMED_OUT, reason=reason), now, answer)
        elif live.fate is not None:
            self.stop(live, live.fate, now, answer, by_force=True)

    def ended(self, message: Ended, now: Now, answer: Answer) -> tuple[LiveRun, Ending] | None:
        """Frees the slot and records the one outcome; None if it was free already."""
        live = self.drop(message.run_id)
        if live is None:
            return None
        ending, usage, at = _ending(live, message), message.usage, message.at
        began = live.started.wall if live.started else None
        answer.ended(live.run, at=at, ending=ending, started_at=began, usage=usage)
        away = max(now.wall - at, 0.0) if live.adopted else 0.0  # it may have ended before us
        seconds = max(live.seconds(now.mono) - away, 0.0)
        answer.tell(RunEnded(run=live.run, ending=ending, seconds=seconds, usage=usage))
        return live, ending

    def drop(self, run_id: str) -> LiveRun | None:
        live = self._runs.pop(run_id, None)
        if live is not None:
            of_task = self._of_task[live.run.task]
            del of_task[run_id]
            if not of_task:
                del self._of_task[live.run.task]
            self._deadlines.forget(run_id)
        return live


def _ending(live: LiveRun, ended: Ended) -> Ending:
    """The outcome of a run that is gone. A signal is what was seen, never guessed from the code:
    a program may exit with 143 as well as die of SIGTERM."""
    exit_code, reason = ended.exit_code, ended.reason
    if live.fate is not None:
        outcome, reason = live.fate.outcome, live.fate.reason
    elif exit_code is None:
        outcome = Outcome.UNKNOWN
    elif exit_code in live.task.success_codes and not reason:  # else the code is not its own
        outcome = Outcome.SUCCEEDED
    else:
        outcome = Outcome.FAILED
    return Ending(outcome=outcome, exit_code=exit_code, signal=ended.signal, reason=reason)
