"""A run, its outcome, and the table of state changes it may make.

Owns identity and life cycle of a run. Must not know processes or storage.
Invariant: a state change that is not in MOVES raises; a finished run never moves again.
docs/run-states.md is generated from the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from torch.clock import FireTime


class State(StrEnum):
    INTENT = "intent"  # recorded, slot reserved, process not yet proven to exist
    RUNNING = "running"
    STOPPING = "stopping"  # told to end: SIGTERM sent, grace running
    FINISHED = "finished"


MOVES: dict[State, frozenset[State]] = {
    State.INTENT: frozenset({State.RUNNING, State.STOPPING, State.FINISHED}),
    State.RUNNING: frozenset({State.STOPPING, State.FINISHED}),
    State.STOPPING: frozenset({State.FINISHED}),
    State.FINISHED: frozenset(),
}


class IllegalMove(Exception):
    """A programming error: the table above forbids the change."""


def move(current: State, to: State) -> State:
    """`to`, if a run may go there from `current`; else raises IllegalMove."""
    if to not in MOVES[current]:
        raise IllegalMove(f"a run that is {current} cannot become {to}")
    return to


class Outcome(StrEnum):
    """How a due fire ended. Skipped and missed are of fires that never became a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    KILLED = "killed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    MISSED = "missed"


BAD = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.UNKNOWN})
"""How a run ends that did not do its work. What was told to stop is not among them."""

FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
"""Those of them of which it is known how the command ended: these are tried again."""

NEVER_RAN = frozenset({Outcome.SKIPPED, Outcome.MISSED})
"""Of fires that never became a run."""

NO_TROUBLE = frozenset({Outcome.SUCCEEDED, Outcome.SKIPPED})
"""Nobody need look at such a row: `torch runs --failed` leaves them out."""


class Trigger(StrEnum):
    """Why a run exists."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    MANUAL = "manual"
    DAEMON = "daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One firing of a task on this host, and its one process (`attempt` counts from 1).

    `fire_time` is None for manual and daemon runs: no expression named an instant for them.
    `version` is the hash of the task file whose definition it runs.
    """

    id: str
    task: str
    trigger: Trigger
    fire_time: FireTime | None = None
    attempt: int = 1
    version: str = ""


def due_at(run: Run) -> float | None:
    """When a run is to begin if nothing puts it off (wall seconds); None: at no instant of its own.
    A retry, jitter and a wait for a slot put it off: then whoever did that says when."""
    return run.fire_time if run.attempt == 1 else None


def lateness(began: float | None, due: float | None) -> float | None:
    """Seconds by which a run began after the instant at which it was to begin. The one place
    where lateness is computed. None where it did not begin or had no such instant."""
    return None if began is None or due is None else began - due


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The one recorded end of a run. `signal` is set when the command died of one."""

    outcome: Outcome
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run used, as the kernel says at its end: of its command, and of the processes below
    it that were waited for. `max_rss` is in bytes, the peak of the largest of these; None where
    it is not above that of the process that started them, which the kernel would count too."""

    cpu_seconds: float
    max_rss: int | None
