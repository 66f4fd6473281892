"""The table of recovery, cell by cell: evidence in, what is left of the run out."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from torch.schedule.evidence import NOTHING_SAID, REAPER_KILLED, REBOOTED, Holder, Traces, judge
from torch.schedule.messages import Trace

# What the row says, and below it: processes of the run found in this boot, none found, another
# boot. `told`: it waits no more, and no start of it is recorded.
TABLE = """
lines  reaper  | waits     | told      | started
-      answers | A   A   A | A   A   A | A   A   A
-      silent  | A   N   N | A   A   R | A   A   R
-      gone    | L   N   N | L   N   R | L   -   R
B      answers | A   A   A | A   A   A | A   A   A
B      silent  | A   A   A | A   A   A | A   A   A
B      gone    | L   -   R | L   -   R | L   -   R
BS     answers | A   A   A | A   A   A | A   A   A
BS     silent  | A   A   A | A   A   A | A   A   A
BS     gone    | L   K   R | L   K   R | L   K   R
BSX    answers | E   E   E | E   E   E | E   E   E
BSX    silent  | E   E   E | E   E   E | E   E   E
BSX    gone    | E   E   E | E   E   E | E   E   E
"""
MEANS = {
    "A": (Trace.ALIVE, ""),
    "N": (Trace.NEVER_STARTED, ""),
    "E": (Trace.ENDED, ""),
    "L": (Trace.ORPHANED, REAPER_KILLED),
    "K": (Trace.GONE, REAPER_KILLED),
    "R": (Trace.GONE, REBOOTED),
    "-": (Trace.GONE, NOTHING_SAID),
}
LINES = {
    "-": Traces(),
    "B": Traces(begun=True),
    "BS": Traces(begun=True, pid=7),
    "BSX": Traces(begun=True, pid=7, ended=True),
}
ROWS = {
    "waits": {"waits": True, "started": False},
    "told": {"waits": False, "started": False},
    "started": {"waits": False, "started": True},
}
SEEN = {
    "found": {"same_boot": True, "alive": True},
    "not found": {"same_boot": True, "alive": False},
    "another boot": {"same_boot": False, "alive": False},
}
CELLS = [
    (lines, reaper, row, seen, cell)
    for lines, reaper, *cells in (
        line.replace("|", " ").split() for line in TABLE.strip().splitlines()[1:]
    )
    for (row, seen), cell in zip(product(ROWS, SEEN), cells, strict=True)
]


def judged(traces, **keys):
    asked = {"waits": False, "started": False, "same_boot": True, "alive": False, **keys}
    return judge(traces, **asked)


@pytest.mark.parametrize(("lines", "reaper", "row", "seen", "cell"), CELLS)
def test_what_is_left_of_a_run(lines, reaper, row, seen, cell):
    traces = replace(LINES[lines], holder=Holder(reaper))
    assert judged(traces, **ROWS[row], **SEEN[seen]) == MEANS[cell]


def test_the_table_has_every_cell_once():
    assert len({cell[:4] for cell in CELLS}) == len(CELLS)
    assert len(CELLS) == len(LINES) * len(Holder) * len(ROWS) * len(SEEN)


@pytest.mark.parametrize(("lines", "reaper", "row", "seen", "cell"), CELLS)
def test_a_line_can_only_make_it_less_likely_that_a_run_starts_again(
    lines, reaper, row, seen, cell
):
    """A journal that was cut, or read too early, errs to the safe side where it still says B."""
    keys = {**ROWS[row], **SEEN[seen]}
    longer = [found for found in LINES if found.startswith(lines) and found != "-"]
    traces = [replace(LINES[found], holder=Holder(reaper)) for found in longer]
    assert Trace.NEVER_STARTED not in {judged(each, **keys)[0] for each in traces}


@pytest.mark.parametrize(("lines", "reaper", "row", "seen", "cell"), CELLS)
def test_what_a_session_number_finds_in_another_boot_is_not_the_run(lines, reaper, row, seen, cell):
    traces, keys = replace(LINES[lines], holder=Holder(reaper)), {**ROWS[row], **SEEN[seen]}
    if not keys["same_boot"]:
        assert judged(traces, **{**keys, "alive": True}) == MEANS[cell]


def test_an_s_line_whose_b_line_is_lost_is_a_run_that_began():
    assert judged(Traces(pid=7)) == (Trace.GONE, REAPER_KILLED)
    assert judged(Traces(pid=7), waits=True) == (Trace.GONE, REAPER_KILLED)
    assert judged(Traces(pid=7, holder=Holder.SILENT), same_boot=False) == (Trace.ALIVE, "")


def test_a_journal_that_is_missing_or_damaged_does_not_prove_that_a_run_never_began():
    damaged = Traces(whole=False)
    assert judged(damaged) == (Trace.GONE, NOTHING_SAID)
    assert judged(damaged, alive=True) == (Trace.ORPHANED, REAPER_KILLED)
    assert judged(damaged, same_boot=False) == (Trace.GONE, REBOOTED)


def test_a_row_that_waits_needs_no_journal():
    assert judged(Traces(whole=False), waits=True) == (Trace.NEVER_STARTED, "")


def test_a_row_that_waits_is_not_believed_against_processes_of_the_run():
    assert judged(Traces(), waits=True, alive=True) == (Trace.ORPHANED, REAPER_KILLED)


def test_the_word_of_a_reaper_that_lives_counts_without_its_journal():
    assert judged(Traces(holder=Holder.ANSWERS, whole=False)) == (Trace.ALIVE, "")
