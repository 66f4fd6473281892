"""A gate: one reason why a run may not start now.

Owns what a gate is asked and what it may answer. The gates and their order stand in admission.py,
and each is in the file of its rule: a pause in pause_gate.py, `max` and `overlap` in slot_gate.py.
A gate decides from what it is asked and from what it has heard before; it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from torch.clock import FireTime, Now
from torch.run import Trigger
from torch.task import Task


class Says(Enum):
    GO = auto()
    WAIT = auto()  # in the line of the task's fires, until a slot is free and all gates let it go
    SKIP = auto()  # it never becomes a run
    HOLD = auto()  # as SKIP, but fires held back one after the other have one row together


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`reason` stands in the row and the log; to a person who asks for a run it is a sentence,
    with `hint` as the way out. `makes_room`: the oldest run is stopped for it."""

    says: Says
    reason: str = ""
    hint: str = ""
    makes_room: bool = False


GO = Judgement(says=Says.GO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A run that wants a slot. `live` are the runs of its task, `waiting` the fires in line ahead
    of it. `in_line`: it waits already. `in_turn`: it waits where a policy would skip it. `at_once`:
    a person asks, for now or not at all."""

    task: Task
    trigger: Trigger
    now: Now
    live: int
    waiting: int = 0
    paused: bool = False
    fire_time: FireTime | None = None
    in_line: bool = False
    in_turn: bool = False
    at_once: bool = False


class Gate(Protocol):
    """Whoever opens one wakes the core: at each `Woke` those that wait are judged again."""

    def ask(self, candidate: Candidate) -> Judgement: ...
