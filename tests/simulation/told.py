"""Judges what people are told in a world: nothing is lost, and nobody is told twice.

Looks at what is on disk and at what the channel took, and at nothing of the core.
"""

from __future__ import annotations

from torch.message import MessageKind
from torch.testing import World

_BEGIN = (MessageKind.FAILING, MessageKind.CRASH_LOOPING)


class Told:
    def __init__(self, world: World) -> None:
        self._world = world
        self._posted = self._sends = 0
        self._open: dict[str, set[MessageKind]] = {}  # task -> what it was told to be
        self._doubtful: set[str] = set()  # tasks of which it may have been told before
        self._taken: set[tuple[str, str]] = set()  # in the life of this service

    def forget(self, tasks: set[str]) -> None:
        """They were edited, or left the file, or came: what was told of them may be over."""
        self.look()
        for name in tasks:
            self._open.pop(name, None)
        self._doubtful |= tasks

    def died(self) -> None:
        """What was sent and not yet recorded may be sent again."""
        self.look()
        self._taken.clear()

    def look(self) -> None:
        posted = list(self._world.history.posted.values())
        for each in posted[self._posted :]:
            notice = each.notice
            told = self._open.setdefault(notice.task, set())
            if notice.kind in _BEGIN:
                assert notice.kind not in told, f"{notice.task} is {notice.kind} twice: {notice}"
                told.add(notice.kind)
            elif notice.kind is MessageKind.RECOVERED:
                known = told or notice.task in self._doubtful
                assert known, f"{notice.task} recovered of nothing: {notice}"
                told.clear()
                self._doubtful.discard(notice.task)
        self._posted = len(posted)
        for channel, notices, _ in self._world.seen.sends[self._sends :]:
            for notice in notices:
                key = (notice.id, channel)
                assert key not in self._taken, f"{key} was sent twice by one service"
                self._taken.add(key)
        self._sends = len(self._world.seen.sends)

    def at_the_end(self) -> None:
        """The channel works, and had time."""
        self.look()
        history = self._world.history
        assert history.owed() == (), f"never sent: {history.owed()[:3]}"
        sent = {(n.id, channel) for channel, notices, _ in self._world.seen.sends for n in notices}
        for key, delivery in history.deliveries.items():
            assert not delivery.sent or key in sent, f"{key} is said to be sent and was not"
