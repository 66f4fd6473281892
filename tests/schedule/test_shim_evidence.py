"""Runs of a version before the reaper: a run file in, what is left of the run out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from torch.schedule.messages import Trace
from torch.schedule.shim_evidence import FILE_GONE, REBOOTED, SHIM_KILLED, judge_shim


@dataclass(frozen=True)
class File:
    held: bool = False
    shim: int | None = None
    code: int | None = None
    garbled: bool = False

    @property
    def empty(self) -> bool:
        return self.shim is None and self.code is None and not self.garbled


def judged(file, *, waits=False, started=False, same_boot=True, alive=False):
    return judge_shim(file, waits=waits, started=started, same_boot=same_boot, alive=alive)


EMPTY, BEGUN, HELD = File(), File(shim=7), File(held=True, shim=7)


def test_no_run_file_or_an_empty_one_that_nobody_holds_proves_that_it_never_started():
    assert judged(None) == judged(EMPTY) == (Trace.NEVER_STARTED, "")


def test_a_run_file_that_is_held_is_a_run_that_lives():
    assert judged(HELD) == judged(File(held=True)) == (Trace.ALIVE, "")


def test_an_exit_code_that_was_written_down_is_known_after_a_reboot_too():
    ended = File(shim=7, code=3)
    assert judged(ended) == judged(ended, same_boot=False) == (Trace.ENDED, "")


def test_a_shim_that_holds_its_file_has_not_ended_whatever_stands_in_it():
    assert judged(File(held=True, shim=7, code=0)) == (Trace.ALIVE, "")


def test_a_shim_that_was_killed_leaves_its_processes_or_nothing():
    assert judged(BEGUN, alive=True) == (Trace.ORPHANED, SHIM_KILLED)
    assert judged(BEGUN) == (Trace.GONE, SHIM_KILLED)


def test_a_run_that_was_seen_to_start_and_whose_file_says_nothing_is_not_known():
    assert judged(None, started=True) == judged(EMPTY, started=True) == (Trace.GONE, FILE_GONE)


def test_a_garbled_run_file_proves_nothing():
    assert judged(File(garbled=True)) == (Trace.GONE, FILE_GONE)


def test_processes_that_live_without_a_line_of_their_shim_keep_the_slot():
    assert judged(None, alive=True) == judged(EMPTY, alive=True) == (Trace.ORPHANED, SHIM_KILLED)


@pytest.mark.parametrize("file", [None, EMPTY, BEGUN])
def test_what_another_boot_left_is_not_known(file):
    assert judged(file, same_boot=False) == (Trace.GONE, REBOOTED)


@pytest.mark.parametrize("same_boot", [True, False])
def test_a_row_that_waits_was_never_started_whatever_the_boot(same_boot):
    assert judged(None, waits=True, same_boot=same_boot) == (Trace.NEVER_STARTED, "")
    assert judged(EMPTY, waits=True, same_boot=same_boot) == (Trace.NEVER_STARTED, "")


def test_a_row_that_waits_is_not_believed_against_its_run_file():
    assert judged(HELD, waits=True) == (Trace.ALIVE, "")
    assert judged(File(shim=7, code=0), waits=True) == (Trace.ENDED, "")
    assert judged(BEGUN, waits=True) == (Trace.GONE, SHIM_KILLED)
