"""A file that may be half saved is not taken; what was replaced whole is taken at once."""

from __future__ import annotations

import pytest

from torch.taskfile.settling import (
    CUT_FOR,
    ENDLESS_FOR,
    PIECES_FOR,
    UNKNOWN_FOR,
    Save,
    doubt,
    is_ended,
    marks,
)

BEFORE = Save(identity=(1, 7, 100, 50))
IN_PLACE = (1, 7, 200, 60)
REPLACED = (1, 8, 200, 60)


@pytest.mark.parametrize("identity", [BEFORE.identity, IN_PLACE, REPLACED])
@pytest.mark.parametrize("before", [None, BEFORE])
def test_a_file_that_is_open_for_writing_is_never_taken(identity, before):
    found = Save(identity=identity, writer="process 7 (scp)")
    against = doubt(found, before, 1e9)
    assert against is not None and against.for_now
    assert "process 7 (scp) has it open for writing" in against.message


@pytest.mark.parametrize("identity", [IN_PLACE, REPLACED])
def test_a_file_that_nobody_writes_and_that_ends_with_a_line_end_is_taken_at_once(identity):
    assert doubt(Save(identity=identity), BEFORE, 0.0) is None


def test_a_file_changed_in_place_whose_last_line_lost_its_end_is_never_taken():
    found = Save(identity=IN_PLACE, ends=False)
    for_now, for_good = doubt(found, BEFORE, 0.0), doubt(found, BEFORE, 1e9)
    assert for_now is not None and for_now.for_now
    assert for_good is not None and not for_good.for_now and "line end" in for_good.hint


@pytest.mark.parametrize(
    ("identity", "ended"), [(REPLACED, True), (REPLACED, False), (IN_PLACE, False)]
)
def test_a_last_line_that_never_had_an_end_or_came_whole_is_taken_when_it_is_still(identity, ended):
    found = Save(identity=identity, ends=False)
    before = Save(identity=BEFORE.identity, ends=ended)
    against = doubt(found, before, ENDLESS_FOR - 0.01)
    assert against is not None and against.for_now
    assert doubt(found, before, ENDLESS_FOR) is None


def test_where_no_writer_can_be_seen_a_change_in_place_has_to_be_still():
    found = Save(identity=IN_PLACE, is_known=False)
    against = doubt(found, BEFORE, UNKNOWN_FOR - 0.01)
    assert against is not None and against.for_now
    assert doubt(found, BEFORE, UNKNOWN_FOR) is None
    assert doubt(Save(identity=REPLACED, is_known=False), BEFORE, 0.0) is None


@pytest.mark.parametrize("found", [{"ends": False}, {"is_known": False}])
def test_at_the_start_and_unchanged_only_a_writer_counts(found):
    assert doubt(Save(identity=IN_PLACE, **found), None, 0.0) is None
    assert doubt(Save(identity=BEFORE.identity, **found), BEFORE, 0.0) is None


@pytest.mark.parametrize(
    ("data", "ended"),
    [
        (b"", True),
        (b"a: b\n", True),
        (b"a: b\r\n", True),
        (b"a: b\r", True),
        (b"a: b\n  \t", True),
        (b"a: b", False),
        (b"a: b\nc: rm -rf /srv", False),
        (b' {"tasks": []} ', True),
        (b'{"tasks": [', False),
        (b"tasks:\n- command: echo ${HOME}", False),
    ],
)
def test_what_may_be_cut_off_is_a_last_line_with_text_and_without_an_end(data, ended):
    assert is_ended(data) is ended


# ── a writer that closes the file between its pieces ──────────────────────────────────────

TEXT = b"tasks:\n- name: a\n  command: b\n- name: c\n  command: d\n- name: e\n  command: f\n"


def saved(data: bytes, *, inode: int = 7, at: int = 200) -> Save:
    """A file of tasks without an error."""
    return Save(
        identity=(1, inode, at, len(data)), ends=is_ended(data), lines=marks(data),
        tasks=data.count(b"name:"),
    )  # fmt: skip


LOADED = saved(TEXT, at=100)
FIRST = TEXT[: TEXT.index(b"- name: c")]
CUT = {
    "after a task": FIRST,
    "in a task": FIRST + b"- name: c\n",
    "with an edit at its end": FIRST.replace(b"command: b", b"command: x"),
    "with an edit that is cut off": FIRST.replace(b"command: b", b"comm: 1"),
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_a_file_that_lost_its_end_in_place_is_refused_even_if_it_is_still(data):
    for_now, for_good = doubt(saved(data), LOADED, CUT_FOR - 0.01), doubt(saved(data), LOADED, 1e9)
    assert for_now is not None and for_now.for_now
    assert for_good is not None and not for_good.for_now
    assert "the task file lost its end" in for_good.message and "cut off" in for_good.message
    assert "torch reload" in for_good.hint and "rename" in for_good.hint


def test_the_message_counts_the_tasks_that_are_gone_or_else_the_lines():
    cases = {FIRST: "2 of 3 tasks are gone", TEXT[:-13]: "1 of 7 lines is gone"}
    for data, said in cases.items():
        against = doubt(saved(data), LOADED, 1e9)
        assert against is not None and said in against.message, against


def test_a_person_may_have_a_file_loaded_that_lost_its_end_when_it_is_still():
    against = doubt(saved(FIRST), LOADED, CUT_FOR - 0.01, asked=True)
    assert against is not None and against.for_now
    assert doubt(saved(FIRST), LOADED, CUT_FOR, asked=True) is None


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_the_beginning_of_a_file_is_taken_if_it_came_whole_or_at_a_start(data):
    assert doubt(saved(data, inode=8), LOADED, 0.0) is None
    assert doubt(saved(data), None, 0.0) is None


@pytest.mark.parametrize("more", [b"- name: g\n", b"# more\n"])
@pytest.mark.parametrize("before", [TEXT, TEXT.rstrip()])
def test_a_file_that_grew_by_appends_is_taken_when_it_is_still(before, more):
    loaded, found = saved(before, at=100), saved(before + more)
    against = doubt(found, loaded, PIECES_FOR - 0.01)
    assert against is not None and against.for_now and "appended" in against.message
    assert doubt(found, loaded, PIECES_FOR) is None
    assert doubt(saved(before + more, inode=8), loaded, 0.0) is None


def test_a_file_that_became_shorter_in_place_is_taken_when_it_is_still():
    found = saved(b"tasks:\n- name: x\n  command: y\n- name: z\n")
    against = doubt(found, LOADED, PIECES_FOR - 0.01)
    assert against is not None and against.for_now and "shorter" in against.message
    assert doubt(found, LOADED, PIECES_FOR) is None


def test_an_edit_in_place_that_takes_nothing_away_is_taken_at_once():
    assert doubt(saved(TEXT.replace(b"command: d", b"command: x")), LOADED, 0.0) is None
    assert doubt(saved(b"# first\n" + TEXT), LOADED, 0.0) is None


def test_a_file_that_would_be_refused_is_not_waited_for():
    found = Save(identity=(1, 7, 200, len(FIRST)), lines=marks(FIRST))
    assert doubt(found, LOADED, 0.0) is None
