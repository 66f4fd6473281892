"""Notices on their way: what is sent on which channel, when it is tried again, what is given up.

Owns a queue for each channel. Notices of a channel go in order, one message at a time, and what
a channel cannot take now waits for it: its pause doubles with each failure. No storms: after
`BURST` messages a channel gets one a minute, and what gathered meanwhile goes as one digest.
Must not know how a message is delivered, nor words. Invariant: each notice that was posted ends
in one `Delivery`, or is owed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch.channel import Channel
from torch.clock import Now
from torch.event import NoticeGivenUp, NoticeSent, NoticeUnsent
from torch.notice import Notice
from torch.schedule.answer import Answer
from torch.schedule.commands import Send
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.messages import Sent
from torch.schedule.record import Delivery, Failing, Posted, Unsent
from torch.schedule.senders import FAILING, Senders
from torch.schedule.snapshot import ChannelView

BURST = 10
"""Messages that a channel gets one by one, in quick succession."""

REFILL = 60.0
"""Seconds until it may get one more."""

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds before a channel that failed is tried again: doubled each time, up to the longest."""

GIVEN_UP_AFTER = 3 * 86_400.0
"""Seconds after which a notice is news to nobody."""

MOST_WAITING = 10_000
"""Notices that wait for one channel. Beyond it the oldest is given up."""


@dataclass(slots=True, kw_only=True)
class Line:
    """One channel's queue. Instants are monotonic but for `since` and `sent_at` (wall)."""

    name: str
    queue: deque[Notice] = field(default_factory=deque)
    away: int = 0  # the first so many are on their way
    tokens: float = BURST
    refilled_at: float | None = None
    held: bool = False  # it had no token left: what has gathered goes as one
    failures: int = 0  # in a row
    not_before: float = 0.0
    problem: str = ""
    since: float | None = None  # it fails since
    sent_at: float | None = None

    def refill(self, now: Now) -> None:
        if self.refilled_at is not None:
            gained = max(now.mono - self.refilled_at, 0.0) / REFILL
            self.tokens = min(self.tokens + gained, BURST)
        self.refilled_at = now.mono

    def doubt(self) -> int:
        """0: the last message was taken. 1: none was sent yet. FAILING: it was not taken."""
        return FAILING if self.failures else 1 if self.sent_at is None else 0

    def next_at(self) -> float:
        """The monotonic instant from which it may send."""
        wait = (1.0 - self.tokens) * REFILL if self.tokens < 1.0 else 0.0
        return max(self.not_before, (self.refilled_at or 0.0) + wait)


class Outbox:
    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._channels: Mapping[str, Channel] = {}
        self._lines: dict[str, Line] = {}
        self._open = False  # no file is in force yet, or we are stopping
        self._senders = Senders()
        self._ready: dict[str, None] = {}  # channels that only lack a place, the longest first

    def channels(self) -> tuple[ChannelView, ...]:
        """Every channel of the file, and what waits for it."""
        return tuple(
            ChannelView(
                channel=channel, waiting=len(line.queue), problem=line.problem,
                failing_since=line.since, sent_at=line.sent_at,
            )
            for name, channel in self._channels.items()
            for line in (self._lines.get(name) or Line(name=name),)
        )  # fmt: skip

    def inherit(self, owed: Iterable[Posted], unsent: Iterable[Unsent]) -> None:
        """What an earlier service did not see sent, and which channels failed. They are tried at
        once all the same."""
        for posted in owed:
            self._line(posted.channel).queue.append(posted.notice)
        for each in unsent:
            line = self._line(each.channel)
            line.since, line.problem = each.since, each.problem

    def loaded(self, channels: Mapping[str, Channel], now: Now, answer: Answer) -> None:
        """The channels of the file now in force. What waits for one that left it is given up."""
        changed = {n for n, channel in channels.items() if self._channels.get(n) != channel}
        self._channels = channels
        self._open = True
        for name, line in list(self._lines.items()):
            if name in changed:  # it may work now: it is tried at once
                line.not_before = 0.0
            if name not in channels:
                while len(line.queue) > line.away:
                    self._give_up(line, line.queue.pop(), "its channel left the file", now, answer)
            if line.queue:
                self._send(line, now, answer)
            elif name not in channels:
                self._works(line, answer)
                del self._lines[name]
                self._ready.pop(name, None)

    def close(self) -> None:
        """The service stops: what is not sent yet is the next one's."""
        self._open = False

    def record_again(self, answer: Answer) -> None:
        """A new history learns what is owed, and which channels fail."""
        for line in self._lines.values():
            self._fails(line, answer)
            for notice in line.queue:
                answer.post(Posted(notice=notice, channel=line.name))

    def post(self, notice: Notice, channels: Sequence[str], now: Now, answer: Answer) -> None:
        """The notice is owed to the channels from here on."""
        for name in channels:
            answer.post(Posted(notice=notice, channel=name))
            line = self._line(name)
            line.queue.append(notice)
            if len(line.queue) - line.away > MOST_WAITING:
                oldest = line.queue[line.away]
                del line.queue[line.away]
                self._give_up(line, oldest, f"{MOST_WAITING} newer ones wait", now, answer)
            self._send(line, now, answer)

    def due(self, name: str, now: Now, answer: Answer) -> None:
        """A pause of the channel is over, or a place is free for it."""
        if name in self._lines:
            self._ready.setdefault(name)
            self._send_ready(now, answer)

    def sent(self, message: Sent, now: Now, answer: Answer) -> None:
        line = self._lines.get(message.channel)
        if line is None or not line.away:
            return
        tries = line.failures + 1
        batch = [line.queue[at] for at in range(line.away)]
        line.away = 0
        self._senders.end(line.name)
        if not message.problem:
            self._works(line, answer)
            line.failures, line.not_before, line.sent_at = 0, 0.0, now.wall
            for notice in batch:
                line.queue.popleft()
                answer.delivered(_delivery(notice, line, True, tries, now))
            answer.tell(NoticeSent(channel=line.name, notices=tuple(batch), tries=tries))
        else:
            self._failed(line, batch, message, now, answer)
        if line.queue:
            self._ready.setdefault(line.name)
        self._send_ready(now, answer)

    # ── sending ───────────────────────────────────────────────────────────────────────────

    def _send_ready(self, now: Now, answer: Answer) -> None:
        """Gives the places that are free to channels that wait for one."""
        for line in sorted(map(self._line, self._ready), key=Line.doubt):
            self._send(line, now, answer)
            if line.name in self._ready:  # it asked to be woken; nor may those after it send
                break

    def _send(self, line: Line, now: Now, answer: Answer) -> None:
        """Sends what is due on the channel, or asks to be woken when it may be."""
        channel = self._channels.get(line.name)
        if self._open and not line.away:
            if channel is None:
                while line.queue:
                    why = "its channel left the file"
                    self._give_up(line, line.queue.popleft(), why, now, answer)
            elif line.queue and self._is_due(line, now):
                if not self._senders.has_place(line.doubt(), now.mono):
                    self._ready.setdefault(line.name)  # the end of one of them comes here again
                    if (soon := self._senders.next_place(now.mono)) is not None:
                        self._deadlines.add(soon, Deadline.SEND, line.name)
                    return
                self._send_now(line, channel, now, answer)
        self._ready.pop(line.name, None)

    def _is_due(self, line: Line, now: Now) -> bool:
        """Whether no pause keeps it from sending; the end of one is asked for."""
        line.refill(now)
        at = line.next_at()
        if at > now.mono:
            line.held = line.held or line.tokens < 1.0
            self._deadlines.add(at, Deadline.SEND, line.name)
        return at <= now.mono

    def _send_now(self, line: Line, channel: Channel, now: Now, answer: Answer) -> None:
        together = len(line.queue) > BURST or line.held
        line.away = len(line.queue) if together else 1
        self._senders.begin(line.name, line.doubt(), now.mono)
        line.held = False
        line.tokens -= 1.0
        batch = tuple(line.queue[at] for at in range(line.away))
        answer.send(Send(channel=channel, notices=batch))

    def _failed(
        self, line: Line, batch: Sequence[Notice], message: Sent, now: Now, answer: Answer
    ) -> None:
        line.failures += 1
        line.tokens = min(line.tokens + 1.0, BURST)
        if line.since is None or line.problem != message.problem:
            line.problem = message.problem
            line.since = now.wall if line.since is None else line.since
            self._fails(line, answer)
        pause = min(FIRST_PAUSE * 2 ** min(line.failures - 1, 30), LONGEST_PAUSE)
        pause = max(pause, min(message.retry_after or 0.0, LONGEST_PAUSE))
        line.not_before = now.mono + pause
        for notice in batch:
            if message.permanent or now.wall - notice.at >= GIVEN_UP_AFTER:
                line.queue.remove(notice)
                self._give_up(line, notice, message.problem, now, answer)
        if line.queue:
            answer.tell(
                NoticeUnsent(
                    channel=line.name, reason=message.problem, retry_in=pause,
                    waiting=len(line.queue),
                )
            )  # fmt: skip

    def _fails(self, line: Line, answer: Answer) -> None:
        """On disk, so that the next service knows since when."""
        if line.since is not None:
            unsent = Unsent(channel=line.name, since=line.since, problem=line.problem)
            answer.failing(Failing(channel=line.name, unsent=unsent))

    def _works(self, line: Line, answer: Answer) -> None:
        if line.since is not None:
            answer.failing(Failing(channel=line.name, unsent=None))
        line.problem, line.since = "", None

    def _give_up(self, line: Line, notice: Notice, why: str, now: Now, answer: Answer) -> None:
        answer.delivered(_delivery(notice, line, False, line.failures, now, why))
        answer.tell(NoticeGivenUp(channel=line.name, notice=notice, reason=why))

    def _line(self, name: str) -> Line:
        if name not in self._lines:
            self._lines[name] = Line(name=name)
        return self._lines[name]


def _delivery(
    notice: Notice, line: Line, sent: bool, tries: int, now: Now, detail: str = ""
) -> Delivery:
    return Delivery(
        notice=notice.id, channel=line.name, sent=sent, tries=tries, at=now.wall, detail=detail
    )
