"""The only file that turns notices into messages.

Owns the wording of what people are told by a channel: the title says which task, where and
what; the body when, why, and which command says more. Text that came from a task is made harmless
here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch.clock import rfc3339
from torch.message import Message, MessageKind
from torch.notice import Notice
from torch.report.text import count, duration, harmless
from torch.run import Outcome

_MOST_TITLES = 50
"""Notices that a digest names; of more it says how many they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a task beyond the notice. `lines`: the last of its output."""

    owner: str = ""
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = field(default=())


def message(notices: Sequence[Notice], host: str, about: Callable[[Notice], About]) -> Message:
    """One notice as a message; several as a digest of them."""
    if len(notices) == 1:
        return _of_one(notices[0], host, about(notices[0]))
    last = notices[-1]
    named = notices[:_MOST_TITLES]  # the service waits for the words: not for a thousand titles
    shown = [f"{rfc3339(notice.at)}  {title(notice, host)}" for notice in named]
    more = len(notices) - len(named)
    shown += [f"and {more} more; see: torch status"] if more else []
    return Message(
        id=last.id,
        kind=MessageKind.DIGEST,
        task="",
        host=host,
        at=last.at,
        title=f"{count(len(notices), 'message')} from torch on {host}",
        body="\n".join(
            ["These messages were pending while the channel was busy or unavailable.", "", *shown]
        ),
        count=len(notices),
    )


def _of_one(notice: Notice, host: str, about: About) -> Message:
    lines = notice.lines if notice.kind is MessageKind.MATCHED else about.lines
    return Message(
        id=notice.id,
        kind=notice.kind,
        task=notice.task,
        host=host,
        at=notice.at,
        title=title(notice, host),
        body="\n".join(filter(None, _body(notice, about))),
        run=notice.run,
        outcome=notice.outcome.value if notice.outcome else None,
        exit_code=notice.exit_code,
        reason=harmless(notice.reason),
        count=notice.count,
        owner=about.owner,
        labels=dict(about.labels),
        lines=tuple(harmless(line) for line in lines),
    )


def title(notice: Notice, host: str) -> str:
    """One line without a full stop."""
    task, number = notice.task, notice.count
    lasted = duration(notice.at - notice.since) if notice.since is not None else ""
    match notice.kind:
        case MessageKind.FAILING:
            return f"{task} is failing on {host}: {_why(notice)}"
        case MessageKind.STILL_FAILING:
            return f"{task} is still failing on {host}: {count(number, 'failure')} in {lasted}"
        case MessageKind.RECOVERED:
            return f"{task} works again on {host}, after {count(number, 'failure')} in {lasted}"
        case MessageKind.MISSED:
            return f"{task} missed {count(number, 'run')} on {host}: {harmless(notice.reason)}"
        case MessageKind.CRASH_LOOPING:
            return f"{task} is crash-looping on {host}: {number} exits in a row"
        case MessageKind.MATCHED:
            return (
                f"{task} on {host}: {count(number, 'line')} of output matching {notice.pattern!r}"
            )
        case _:
            return f"{task} on {host}"


def _why(notice: Notice) -> str:
    why = f" ({harmless(notice.reason)})" if notice.reason else ""
    match notice.outcome:
        case Outcome.TIMED_OUT:
            return f"it timed out{why}"
        case Outcome.UNKNOWN:
            return f"unknown result{why}"
        case _ if notice.exit_code is not None:
            return f"exit code {notice.exit_code}{why}"
        case _:
            return f"it did not start{why}" if notice.reason else "it did not start"


def _body(notice: Notice, about: About) -> list[str]:
    lines = [about.description and harmless(about.description), f"At {rfc3339(notice.at)}."]
    if notice.kind is MessageKind.MISSED:
        span = f"{rfc3339(notice.first)}"
        span += f" to {rfc3339(notice.last)}" if notice.last != notice.first else ""
        lines.append(f"Missed: {span}.")
    elif notice.kind is MessageKind.STILL_FAILING:
        lines.append(f"Since {rfc3339(notice.since)}; latest failure: {_why(notice)}.")
    elif notice.kind is MessageKind.CRASH_LOOPING and notice.since != notice.at:
        lines.append(f"Since {rfc3339(notice.since)}.")
    elif notice.kind is MessageKind.MATCHED and notice.since is not None:
        lines.append(f"Not notified since {rfc3339(notice.since)}.")
    if about.owner:
        lines.append(f"Owner: {harmless(about.owner)}.")
    if notice.run is not None:
        lines.append(f"Run {notice.run}. On the host: torch logs {notice.run}")
    lines.append(f"On the host: torch explain {notice.task}")
    return lines
