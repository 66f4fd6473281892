"""Requests whose answer promises that something outlives the service: a pause, and its end.

Owns when such a promise must not be given, and how one that was begun is taken back. The core
changes its state before the history is written; the answer goes out only afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch.schedule.commands import Command, Refuse
from torch.schedule.messages import Message, PauseAsked, ResumeAsked
from torch.schedule.record import Paused

_UNCHANGED = "nothing was changed; free space on the disk of the history, then try again"


def is_promise(message: Message) -> bool:
    return isinstance(message, PauseAsked | ResumeAsked)


def unrecorded(why: str) -> tuple[Command, ...]:
    """The answer to a request that the history cannot take."""
    return (Refuse(reason=f"the history could not be written: {why}", hint=_UNCHANGED),)


def undoing(
    message: Message, before: Paused | None, commands: Sequence[Command]
) -> PauseAsked | ResumeAsked | None:
    """What takes the message back, whose task was paused so `before`; None: it changed nothing."""
    if any(isinstance(command, Refuse) for command in commands):
        return None
    if isinstance(message, PauseAsked) and before is None:
        return ResumeAsked(task=message.task)
    if isinstance(message, PauseAsked | ResumeAsked) and before is not None:
        return PauseAsked(task=message.task, until=before.until)
    return None
