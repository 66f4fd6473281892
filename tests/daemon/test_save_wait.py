"""How long a file that is being saved is waited for, and what is said of it; a fake clock."""

from __future__ import annotations

import pytest

from torch.clock import rfc3339
from torch.daemon.save_wait import LIMIT, Settling, problem
from torch.event import ReloadWaiting
from torch.taskfile.settling import CUT_FOR, ENDLESS_FOR, PIECES_FOR, Save, marks
from torch.testing import FakeClock

WHOLE = Save(identity=(1, 7, 100, 50))
WRITTEN = Save(identity=(1, 7, 200, 20), writer="process 7 (scp)")
CUT_OFF = Save(identity=(1, 7, 300, 30), ends=False)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def settling(clock, told):
    made = Settling(clock=clock, tell=told.append)
    made.take(WHOLE)
    return made


def test_a_save_that_lasts_is_told_once_and_shown_until_it_ends(settling, clock, told):
    began = clock.now().wall
    for _ in range(3):
        assert settling.judge(WRITTEN) is not None
        clock.advance(1.0)
    (event,) = told
    assert isinstance(event, ReloadWaiting) and "process 7 (scp)" in event.reason
    assert settling.waiting() == {"since": rfc3339(began), "reason": event.reason}
    assert settling.judge(Save(identity=(1, 7, 400, 50))) is None
    assert settling.waiting() is None


def test_after_a_minute_it_is_a_problem_once_for_each_save(settling, clock):
    for _ in range(2):
        settling.judge(WRITTEN)
        clock.advance(LIMIT - 1)
        assert not settling.gets_overdue()
        clock.advance(1)
        assert settling.gets_overdue() and not settling.gets_overdue()
        assert settling.waiting() is not None
        settling.settle()


def test_a_cut_off_line_is_waited_for_and_then_refused(settling, clock):
    for_now = settling.judge(CUT_OFF)
    assert for_now is not None and for_now.for_now and settling.waiting() is not None
    clock.advance(ENDLESS_FOR)
    refused = settling.judge(CUT_OFF)
    assert refused is not None and not refused.for_now and settling.waiting() is None


def test_each_change_begins_the_quiet_time_again(settling, clock):
    settling.take(Save(identity=(1, 7, 100, 50), ends=False))
    for changed in range(300, 305):
        assert settling.judge(Save(identity=(1, 7, changed, 30), ends=False)) is not None
        clock.advance(ENDLESS_FOR - 0.5)
    assert settling.judge(Save(identity=(1, 7, 304, 30), ends=False)) is not None
    clock.advance(0.5)
    assert settling.judge(Save(identity=(1, 7, 304, 30), ends=False)) is None


def test_a_file_that_could_not_be_read_is_not_waited_for(settling):
    settling.judge(WRITTEN)
    assert settling.judge(None) is None
    assert settling.waiting() is None


def test_a_rehearsal_refuses_what_no_waiting_makes_good_and_a_file_that_is_written(settling, told):
    assert settling.rehearse(WRITTEN, is_ours=False) is not None
    assert settling.rehearse(CUT_OFF, is_ours=True) is not None
    assert settling.rehearse(CUT_OFF, is_ours=False) is None
    assert settling.rehearse(Save(identity=(1, 8, 300, 30), ends=False), is_ours=True) is None
    assert told == [] and settling.waiting() is None


def test_looks_become_rarer(settling):
    settling.judge(WRITTEN)
    pauses = [settling.pause() for _ in range(20)]
    assert pauses == sorted(pauses) and pauses[0] < 0.5 and pauses[-1] == 5.0


def test_the_problem_names_the_file(settling):
    against = settling.judge(WRITTEN)
    assert against is not None
    found = problem(against, "/etc/torch/tasks.yaml")
    assert found.file == "/etc/torch/tasks.yaml" and "/etc/torch/tasks.yaml" in found.hint


def pieces(*sizes: int) -> list[Save]:
    """A file of five tasks, and how it looks with only so many of its lines."""
    lines = [b"- name: %d\n" % number for number in range(5)]
    return [
        Save(
            identity=(1, 7, 100 + at, size * len(lines[0])), tasks=size,
            lines=marks(b"".join(lines[:size])),
        )
        for at, size in enumerate((5, *sizes))
    ]  # fmt: skip


def test_the_first_piece_of_a_file_is_not_taken_and_the_whole_is(settling, clock):
    whole, first, more, all_of_it = pieces(1, 3, 5)
    settling.take(whole)
    for piece in (first, more):
        assert settling.judge(piece) is not None and settling.waiting() is not None
        clock.advance(CUT_FOR - 0.1)
    assert settling.judge(all_of_it) is not None
    clock.advance(PIECES_FOR)
    assert settling.judge(all_of_it) is None and settling.waiting() is None


def test_a_file_that_lost_its_end_is_taken_when_a_person_asks_after_a_while(settling, clock):
    whole, first = pieces(1)
    settling.take(whole)
    settling.judge(first)
    assert settling.rehearse(first, is_ours=True) is not None
    assert settling.judge(first, asked=True) is not None
    clock.advance(CUT_FOR)
    refused = settling.judge(first)
    assert refused is not None and not refused.for_now and settling.waiting() is None
    assert settling.rehearse(first, is_ours=True) is None
    assert settling.judge(first, asked=True) is None
