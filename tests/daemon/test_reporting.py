"""What the service says of itself, and when."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.clock import FireTime
from torch.daemon.reporting import Median, Reporter
from torch.event import Event, RunEnded, RunNotStarted, RunStarted, SelfReported
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.messages import Loaded
from torch.schedule.scheduler import Scheduler
from torch.settings import Settings
from torch.testing import FakeClock, cron, daemon

RUN = Run(id="r-1", task="a", trigger=Trigger.SCHEDULE, fire_time=FireTime(1_800_000_000))
BY_HAND = Run(id="r-2", task="a", trigger=Trigger.MANUAL)


def started(lateness: float, run: Run = RUN) -> RunStarted:
    return RunStarted(run=run, pid=1, lateness=lateness)


def ended(outcome: Outcome) -> RunEnded:
    return RunEnded(run=RUN, ending=Ending(outcome=outcome), seconds=1.0)


class Desk:
    def __init__(self, folder: str, every: int = 5) -> None:
        self.clock = FakeClock()
        self.told: list[Event] = []
        scheduler = Scheduler(run_ids=iter(["r-1", "r-2", "r-3"]))
        now = self.clock.now()
        scheduler.handle(Loaded(tasks=(cron("a"), daemon("b", max=2)), version="v"), now)
        settings = Settings(
            task_file="/t", run_dir=folder, state_dir=folder, log_dir=folder, report_every=every
        )
        self.reporter = Reporter(
            settings, scheduler=scheduler, clock=self.clock, tell=self.told.append
        )

    def beat(self, times: int) -> None:
        for _ in range(times):
            self.clock.advance(60)
            self.reporter.beat()


@pytest.fixture
def desk(tmp_path):
    return Desk(str(tmp_path))


def test_it_reports_with_every_fifth_beat(desk):
    desk.beat(4)
    assert desk.told == []
    desk.beat(6)
    assert [type(event) for event in desk.told] == [SelfReported] * 2


def test_it_may_be_told_to_be_silent(tmp_path):
    desk = Desk(str(tmp_path), every=0)
    desk.beat(100)
    assert desk.told == []


def test_a_report_counts_what_was_since_the_one_before(desk):
    for event in (
        started(0.001), started(0.002), started(0.5), started(9.0, BY_HAND),
        ended(Outcome.SUCCEEDED), ended(Outcome.FAILED), ended(Outcome.TIMED_OUT),
        ended(Outcome.KILLED), RunNotStarted(run=RUN, reason="x"),
    ):  # fmt: skip
        desk.reporter.hear(event)
    desk.beat(10)
    first, second = desk.told
    assert (first.tasks, first.running, first.seconds) == (2, 2, 300.0)
    assert (first.started, first.failed) == (4, 3)
    assert (first.late_median, first.late_max) == (0.002, 0.5)
    assert (second.started, second.failed, second.seconds) == (0, 0, 300.0)
    assert (second.late_median, second.late_max) == (None, None)


def test_a_report_says_how_the_process_and_its_disks_stand(desk, tmp_path):
    (tmp_path / "history.db").write_bytes(b"x" * 2**20)
    (tmp_path / "history.db-wal").write_bytes(b"x" * 2**19)
    report = desk.reporter.report()
    assert report.history_mib == 1.5
    assert 1 < report.memory_mib < 4000
    assert report.open_files >= 3
    assert report.load >= 0 and report.cpu_percent >= 0
    assert report.state_free_mib == report.log_free_mib >= 0


def test_what_cannot_be_read_is_left_out(tmp_path):
    report = Desk(str(tmp_path / "gone")).reporter.report()
    assert (report.state_free_mib, report.history_mib) == (None, 0.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_the_middle_of_few_is_exact(numbers):
    median = Median()
    for number in numbers:
        median.add(number)
    assert median.middle() == statistics.median_high(numbers)
    assert median.most == max(numbers)


def test_the_middle_of_very_many_is_near_and_costs_no_more(desk):
    median = Median()
    for number in range(300_000):
        median.add(float(number * 7919 % 300_000))
    assert median.middle() == pytest.approx(150_000, rel=0.05)
    assert median.most == 299_999
    assert len(median._kept) <= 4096
