"""The live runs of every task: their states, their slots and their deadlines.

Owns what is alive and until when it may be: a run is here from the moment its slot is
reserved to the moment its end is known, so counting these is counting slots, and `max`
holds because reserving and counting happen in the same place. Must not know schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch.clock import FireTime, Now
from torch.event import RunAdopted, RunEnded, RunStarted, RunStopping
from torch.run import Ending, Outcome, Run, State, Trigger, due_at, lateness, move
from torch.schedule.answer import Answer
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.messages import Ended, FoundRun, Trace
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


class LiveRuns:
    def __init__(
        self, run_ids: Iterator[str], deadlines: Deadlines, *, changes: Callable[[str], None]
    ) -> None:
        """`changes` is told the task whose runs are about to change."""
        self._changes = changes
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
        found = self._of_task.get(task)
        return () if found is None else tuple(found.values())

    def count(self, task: str) -> int:
        return len(self._of_task.get(task, ()))

    def all(self) -> tuple[LiveRun, ...]:
        return tuple(self._runs.values())

    def tasks(self) -> dict[str, str]:
        """Run id -> task of each live run."""
        return {run_id: live.run.task for run_id, live in self._runs.items()}

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
        self._keep(live)
        answer.start(run, task, at)
        return live

    def adopt(self, found: FoundRun, now: Now, answer: Answer) -> LiveRun:
        """Takes over a run of an earlier service, with its slot and its timeout."""
        # A reaper that does not answer may be about to begin it: then its start is still to come.
        unborn = found.trace is Trace.ALIVE and found.pid is None
        live = LiveRun(
            run=found.run, task=found.task, state=State.INTENT if unborn else State.RUNNING,
            started=found.started, pid=found.pid, adopted=True, due=due_at(found.run),
        )  # fmt: skip
        self._keep(live)
        if found.pid is not None and found.started is not None:
            answer.started(found.run, at=found.started.wall, pid=found.pid)
        if found.trace not in (Trace.ALIVE, Trace.ORPHANED):  # over: its end is heard next
            live.fate = found.fate
            return live
        answer.tell(RunAdopted(run=found.run, pid=found.pid))
        if found.started is not None and found.task.timeout is not None:
            mono = found.started.mono + found.task.timeout
            self._deadlines.add(mono, Deadline.TIMEOUT, found.run.id)
        if found.fate is not None:  # the signal may not have been sent; a second one is harmless
            away = max(now.wall - (found.stopping_at or now.wall), 0.0)
            self.stop(live, found.fate, now, answer, grace_used=away)
        return live

    def _keep(self, live: LiveRun) -> None:
        self._changes(live.run.task)
        self._runs[live.run.id] = live
        self._of_task.setdefault(live.run.task, {})[live.run.id] = live

    def started(self, run_id: str, pid: int, now: Now, answer: Answer) -> LiveRun | None:
        live = self._runs.get(run_id)
        if live is None:
            return None
        self._changes(live.run.task)
        live.pid, live.started = pid, now
        if live.state is State.INTENT:  # else a stop overtook the start
            live.state = move(live.state, State.RUNNING)
            if live.task.timeout is not None:
                self._deadlines.add(now.mono + live.task.timeout, Deadline.TIMEOUT, run_id)
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
        self._changes(live.run.task)
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
            self._deadlines.add(now.mono + left, Deadline.GRACE, live.run.id)

    def timed_out(self, run_id: str, now: Now, answer: Answer) -> None:
        """Its timeout has passed."""
        live = self._runs.get(run_id)
        if live is not None:
            reason = f"timeout ({live.task.timeout:g} s)"
            self.stop(live, Ending(outcome=Outcome.TIMED_OUT, reason=reason), now, answer)

    def grace_over(self, run_id: str, now: Now, answer: Answer) -> None:
        """It was told to stop, and has had its grace."""
        live = self._runs.get(run_id)
        if live is not None and live.fate is not None:
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
        live = self._runs.get(run_id)
        if live is not None:
            self._changes(live.run.task)
            del self._runs[run_id]
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
