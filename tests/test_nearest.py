"""Which known word was meant."""

from __future__ import annotations

import pytest

from torch.nearest import did_you_mean, nearest, or_nearest

WORDS = ("schedule", "Timezone", "jitter")


@pytest.mark.parametrize(
    ("word", "found"),
    [("shedule", "schedule"), ("SCHEDULE", "schedule"), ("timezone", "Timezone"), ("", ""),
     ("xyz", ""), ("jiter" + "r" * 10_000, "")],
)  # fmt: skip
def test_the_nearest_known_word_is_found_whatever_its_case(word, found):
    assert nearest(word, WORDS) == found


def test_it_is_said_as_a_hint_as_the_end_of_a_message_or_not_at_all():
    assert did_you_mean("jiter", WORDS) == "did you mean 'jitter'?"
    assert did_you_mean("xyz", WORDS, otherwise="see: torch tasks") == "see: torch tasks"
    assert or_nearest("jiter", WORDS) == ", did you mean 'jitter'?"
    assert or_nearest("xyz", WORDS) == ""
