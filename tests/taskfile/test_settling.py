"""A file that may be half saved is not taken; what was replaced whole is taken at once."""

from __future__ import annotations

import pytest

from torch.taskfile.settling import ENDLESS_FOR, UNKNOWN_FOR, Save, doubt, is_ended

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
