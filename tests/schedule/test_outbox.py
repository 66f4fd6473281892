"""Notices on their way: in order, tried again, given up, and never a storm."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch.channel import Channel, Way
from torch.clock import Now
from torch.event import NoticeGivenUp, NoticeSent, NoticeUnsent
from torch.message import MessageKind
from torch.notice import Notice
from torch.schedule import outbox
from torch.schedule.answer import Answer
from torch.schedule.commands import Send
from torch.schedule.deadlines import Deadlines
from torch.schedule.messages import HistoryReset, Sent
from torch.schedule.outbox import BURST, Outbox
from torch.schedule.record import Delivery, Record
from torch.schedule.senders import AT_ONCE, MOMENT, MOST
from torch.testing import World, cron

OPS = Channel(name="ops", way=Way.EXEC, target="cat")
PAGER = Channel(name="pager", way=Way.EXEC, target="cat")
DAY = 86_400.0


def failing(count: int, *, down: bool = False, channels=("ops",), schedule="1 0 * * *") -> World:
    """A world in which `count` tasks fail at the first minute."""
    world = World()
    names = [f"t{n}" for n in range(count)]
    for name in names:
        world.behave(name, code=1)
    if down:
        world.break_channel("ops")
    world.load(
        *(cron(name, schedule, on_failure=channels) for name in names),
        channels={"ops": OPS, "pager": PAGER},
    )
    return world


def batches(world: World, channel: str = "ops") -> list[int]:
    return [len(notices) for name, notices, _ in world.seen.sends if name == channel]


def times(world: World) -> list[float]:
    return [at for _, _, at in world.seen.sends]


def start(world: World) -> None:
    """To the minute after midnight, in which the tasks fail."""
    world.pass_(DAY - world.base % DAY + 62)


def test_a_few_notices_go_one_by_one_in_order():
    world = failing(3)
    start(world)
    assert batches(world) == [1, 1, 1]
    assert [task for task, _ in world.notices()] == ["t0", "t1", "t2"]


def test_a_hundred_failures_at_once_are_one_digest():
    world = failing(100)
    start(world)
    assert max(batches(world)) > BURST
    assert len(world.seen.sends) <= BURST + 1
    world.pass_(120)
    assert sum(batches(world)) == 100
    assert len(world.seen.sends) <= BURST + 2


def test_a_channel_that_was_told_much_gets_one_message_a_minute():
    world = failing(40, schedule="* * * * *")
    for name in range(40):
        world.behave(f"t{name}", code=1)
    for _ in range(60):  # failing and recovering by turns
        for name in range(40):
            world.behave(f"t{name}", code=0)
        world.pass_(60)
        for name in range(40):
            world.behave(f"t{name}", code=1)
        world.pass_(60)
    assert len(world.seen.sends) <= 120 + BURST + 1
    assert sum(batches(world)) > 4000


def test_what_gathers_while_a_channel_has_had_enough_goes_as_one():
    world = failing(BURST, schedule="* * * * *", channels=("ops",))
    world.pass_(62)
    for name in range(3):
        world.behave(f"t{name}", code=0)
    world.pass_(120)
    assert batches(world) == [1] * (BURST + 1) + [2]


def test_tries_in_vain_use_up_nothing_of_what_a_channel_gets():
    world = failing(5, down=True)
    start(world)
    world.pass_(86_000)
    world.mend_channel("ops")
    world.pass_(600)
    assert batches(world)[-5:] == [1] * 5


def test_a_channel_that_works_again_has_no_problem_any_more():
    world = failing(1, down=True)
    start(world)
    assert [bool(each.problem) for each in world.scheduler.snapshot().channels] == [True, False]
    world.mend_channel("ops")
    world.pass_(600)
    assert {(each.problem, each.failing_since) for each in world.scheduler.snapshot().channels} == {
        ("", None)
    }


def test_a_channel_that_leaves_the_file_while_a_message_is_on_its_way_is_heard_out():
    outbox, now = Outbox(Deadlines()), Now(DAY * 20_000, 1000.0)
    outbox.loaded({"ops": OPS}, now, Answer())
    for number in range(2):
        notice = Notice(id=f"n{number}", kind=MessageKind.FAILING, task="t", at=now.wall)
        outbox.post(notice, ("ops",), now, Answer())
    answer = Answer()
    outbox.loaded({}, now, answer)
    outbox.sent(Sent(channel="ops", notices=("n0",), problem="no answer"), now, answer)
    outbox.sent(Sent(channel="ops", notices=("n0",)), now, answer)  # nothing is on its way
    (record,) = (each for each in answer.commands() if isinstance(each, Record))
    assert sorted(each.notice for each in record.of(Delivery)) == ["n0", "n1"]
    assert outbox.channels() == ()


def test_a_channel_that_is_down_is_tried_again_ever_more_rarely():
    world = failing(1, down=True)
    start(world)
    world.pass_(3600)
    waits = [event.retry_in for event in world.told(NoticeUnsent)]
    assert waits[:8] == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0]


def test_what_waited_is_sent_when_it_is_back():
    world = failing(3, down=True)
    start(world)
    world.pass_(300)
    assert world.notices() == []
    world.mend_channel("ops")
    world.pass_(600)
    assert [task for task, _ in world.notices()] == ["t0", "t1", "t2"]
    assert world.history.owed() == ()
    assert next(event.tries for event in world.told(NoticeSent)) == 7


def test_a_channel_that_is_down_holds_up_no_other():
    world = failing(3, down=True, channels=("ops", "pager"))
    start(world)
    assert batches(world, "pager") == [1, 1, 1]


HANGS = 31.0
"""Seconds until a message to a receiver that hangs comes back."""


class Street:
    """An outbox with its senders. A message to `hanging` comes back after HANGS seconds, each
    other one is taken at once; `taken` says when."""

    def __init__(self, hanging: Iterable[str], *others: str) -> None:
        self.hanging = set(hanging)
        self.taken: dict[str, float] = {}
        self.sent: dict[str, int] = {}
        self.away: dict[str, float] = {}  # channel that hangs -> when that comes back
        self.most = 0
        self._deadlines = Deadlines()
        self._outbox = Outbox(self._deadlines)
        names = (*sorted(self.hanging), *others)
        channels = {n: Channel(name=n, way=Way.EXEC, target="cat") for n in names}
        self.mono = 1000.0
        self._outbox.loaded(channels, self._now(), Answer())

    def post(self, *channels: str) -> None:
        now, answer = self._now(), Answer()
        notice = Notice(id=f"n{now.mono}", kind=MessageKind.FAILING, task="t", at=now.wall)
        self._outbox.post(notice, channels, now, answer)
        self._perform(answer)

    def pass_(self, seconds: float) -> None:
        until = self.mono + seconds
        while True:
            instants = [*self.away.values(), self._deadlines.first() or math.inf]
            if min(instants) > until:
                break
            self.mono = min(instants)
            for name in [n for n, at in self.away.items() if at <= self.mono]:
                del self.away[name]
                self._sent(name, "no answer")
            answer = Answer()
            for _, name in self._deadlines.pop_due(self.mono):
                self._outbox.due(name, self._now(), answer)
            self._perform(answer)
        self.mono = until

    def _perform(self, answer: Answer) -> None:
        names = [c.channel.name for c in answer.commands() if isinstance(c, Send)]
        for name in names:
            self.sent[name] = self.sent.get(name, 0) + 1
            if name in self.hanging:
                self.away[name] = self.mono + HANGS
            else:
                self.taken[name] = self.mono
        self.most = max(self.most, len(self.away))
        for name in names:
            if name not in self.hanging:
                self._sent(name, "")

    def _sent(self, name: str, problem: str) -> None:
        answer = Answer()
        said = Sent(channel=name, notices=(), problem=problem)
        self._outbox.sent(said, self._now(), answer)
        self._perform(answer)

    def _now(self) -> Now:
        return Now(DAY * 20_000 + self.mono, self.mono)


def test_receivers_that_hang_keep_no_message_from_one_that_works():
    silent = [f"silent{n:03}" for n in range(100)]
    street = Street(silent, "ops")
    street.post("ops")  # it works
    street.post(*silent)
    for _ in range(int(DAY / 60)):
        street.post("ops")
        assert street.taken["ops"] == street.mono
        street.pass_(60.0)
    assert set(street.sent) == {"ops", *silent}
    assert street.most < MOST


def test_channels_that_hang_do_not_hold_up_the_first_message_of_another():
    """Nobody knows yet which of them works; all are told at the same instant, the good one last."""
    for count in range(1, MOST - 1):
        silent = [f"silent{n:03}" for n in range(count)]
        street = Street(silent, "ops")
        street.post(*silent, "ops")
        street.pass_(HANGS - 1)
        assert street.taken["ops"] - 1000 <= count // (AT_ONCE - 1) * MOMENT
        assert street.sent == dict.fromkeys((*silent, "ops"), 1)


def test_channels_that_worked_and_hang_now_hold_up_no_other():
    names = [f"c{n:03}" for n in range(MOST - 2)]
    street = Street((), *names, "ops")
    street.post(*names)  # all of them are taken
    street.hanging = set(names)
    street.pass_(60.0)
    street.post(*names, "ops")
    street.pass_(HANGS - 1)
    assert street.taken["ops"] - 1060 <= len(names) // AT_ONCE * MOMENT


def test_of_channels_that_fail_two_are_tried_at_once():
    silent = [f"silent{n:03}" for n in range(30)]
    street = Street(silent)
    street.post(*silent)
    street.pass_(DAY)  # all have failed
    street.most = 0
    street.pass_(DAY)
    assert street.most == 2


def test_what_a_receiver_refuses_for_good_is_given_up_and_said():
    world = failing(1)
    world.break_channel("ops", "HTTP 404", permanent=True)
    start(world)
    assert [event.reason for event in world.told(NoticeGivenUp)] == ["HTTP 404"]
    assert world.history.owed() == ()


def test_a_receiver_that_asks_for_patience_gets_it():
    world = failing(1)
    world.break_channel("ops", "HTTP 429", retry_after=120.0)
    start(world)
    assert [event.retry_in for event in world.told(NoticeUnsent)] == [120.0]


def test_after_three_days_a_notice_is_given_up():
    world = failing(1, down=True, schedule="1 0 1 * *")
    start_of_month = 30 * DAY
    world.pass_(start_of_month + 5 * DAY)
    assert len(world.told(NoticeGivenUp)) == 1
    assert world.history.owed() == ()


def test_what_is_too_much_to_wait_gives_way_to_the_newest(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_WAITING", 1_000)
    world = failing(1_005, down=True)
    start(world)
    assert len(world.history.owed()) == 1_001  # and the one on its way
    assert len(world.told(NoticeGivenUp)) == 4


def test_a_restart_sends_what_was_owed():
    world = failing(2, down=True)
    start(world)
    world.crash()
    world.mend_channel("ops")
    world.recover(*(cron(f"t{n}", "1 0 * * *", on_failure=("ops",)) for n in range(2)))
    world.pass_(1)
    assert [task for task, _ in world.notices()] == ["t0", "t1"]


def test_a_channel_that_left_the_file_takes_nothing_with_it_unsaid():
    world = failing(2, down=True)
    start(world)
    world.load(cron("t0", "1 0 * * *"), channels={"pager": PAGER})
    assert {event.reason for event in world.told(NoticeGivenUp)} == {"its channel left the file"}
    assert world.history.owed() == ()


def test_an_edited_channel_is_tried_at_once():
    world = failing(1, down=True)
    start(world)
    world.pass_(3600)
    world.mend_channel("ops")
    world.load(
        cron("t0", "1 0 * * *", on_failure=("ops",)),
        channels={"ops": Channel(name="ops", way=Way.EXEC, target="tee")},
    )
    assert world.notices() == [("t0", "failing")]


def test_a_service_that_stops_leaves_the_rest_to_the_next_one():
    world = failing(3, down=True)
    start(world)
    world.stop()
    assert world.left
    assert len(world.history.owed()) == 3


# ── since when a channel fails ────────────────────────────────────────────────────────────


def ops(world: World) -> tuple[str, float | None]:
    found = next(each for each in world.scheduler.snapshot().channels if each.channel.name == "ops")
    return found.problem, found.failing_since


def again(world: World) -> None:
    world.recover(cron("t0", "1 0 * * *", on_failure=("ops",)))


def test_a_service_that_is_killed_leaves_the_next_one_since_when_a_channel_fails():
    world = failing(1, down=True)
    start(world)
    problem, since = ops(world)
    assert problem and since is not None
    world.pass_(7000)
    for _ in range(2):
        world.crash()
        again(world)
        world.pass_(100)
        assert ops(world) == (problem, since)
    world.mend_channel("ops")
    world.pass_(600)
    assert ops(world) == ("", None)
    world.crash()
    again(world)
    assert ops(world) == ("", None)


def test_a_new_history_learns_since_when_a_channel_fails():
    world = failing(1, down=True)
    start(world)
    found = ops(world)
    world.history.begin_anew()
    world.send(HistoryReset())
    world.pass_(10)
    assert [(each.problem, each.since) for each in world.history.unsent()] == [found]


def test_a_channel_that_left_the_file_fails_no_longer():
    world = failing(1, down=True)
    start(world)
    world.load(cron("t0", "1 0 * * *"), channels={"pager": PAGER})
    world.load(cron("t0", "1 0 * * *"), channels={"pager": PAGER})
    assert world.history.unsent() == ()
