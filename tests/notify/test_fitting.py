"""Messages made fit to send, and details without secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.making import message
from torch.notify import fitting
from torch.notify.fitting import as_text, fit, one_line, without_secrets
from torch.report.text import harmless

HOSTILE = "\x1b]0;owned\x07\r\n\x00\u202e\ud800 end"


def test_a_hostile_message_is_harmless_in_every_text():
    found = fit(
        message(
            id=HOSTILE, task=HOSTILE, host=HOSTILE, title=HOSTILE, body=HOSTILE, run=HOSTILE,
            outcome=HOSTILE, reason=HOSTILE, owner=HOSTILE, labels={HOSTILE: HOSTILE},
            lines=(HOSTILE,),
        )
    )  # fmt: skip
    texts = [found.id, found.task, found.host, found.title, found.run, found.outcome, found.reason]
    texts += [found.owner, *found.labels, *found.labels.values(), *found.lines]
    for text in (*texts, found.body.replace("\n", "")):
        assert text is not None and text.isprintable(), text
        text.encode("utf-8")
    assert found.body.count("\n") == 1


def test_a_message_of_megabytes_is_cut():
    big = "x" * 2**20
    found = fit(
        message(
            title=big,
            body=big,
            reason=big,
            labels={f"{n}{big}": big for n in range(100)},
            lines=(big,) * 1000,
        )
    )
    assert len(found.title) == fitting.TITLE and found.title.endswith("…")
    assert len(found.body) == fitting.BODY and found.body.endswith("…")
    assert len(found.lines) == fitting.LINES and len(found.labels) == fitting.LABELS
    assert {len(line) for line in found.lines} == {fitting.LINE}


def test_the_last_lines_are_those_that_are_kept():
    assert fit(message(lines=tuple(map(str, range(1000))))).lines[-1] == "999"


def test_a_message_that_is_fit_stays_as_it_is():
    assert fit(message()) == message()


@given(st.text(max_size=60), st.integers(1, 30))
def test_one_line_is_one_line_of_at_most_so_many_characters(text, limit):
    shown = one_line(text, limit)
    assert len(shown) <= limit and "\n" not in shown and harmless(shown) == shown


def test_a_text_has_the_body_and_below_it_the_lines_of_output():
    expected = "Run 7-12 ended with exit code 3.\n\n  copying\n  disk full"
    assert as_text(message()) == expected
    assert as_text(message(body="", lines=())) == message().title


@pytest.mark.parametrize(
    ("said", "url", "shown"),
    [
        ("no such hook", "https://chat.example/hook", "no such hook"),
        ("bad token S3CR3T", "https://chat.example/hook/S3CR3T", "bad token …"),
        ("bad S3CR3T/v1", "https://chat.example/hook?key=S3CR3T%2Fv1&x=1", "bad …"),
        ("user bob, password x y z", "smtp://bob:x%20y%20z@mail.example", "user …, password …"),
        ("Unauthorized: 123:ABCDEF", "tgram://123:ABCDEF/55", "Unauthorized: 123:…"),
        ("see https://a.example/S3CR3T", "https://b.example/x", "see https://a.example/…"),
        ("localhost is down", "json://u:pass@localhost:80/x", "localhost is down"),
        ("two\nlines\x1b[m", "https://a.example", "two\\nlines\\x1b[m"),
    ],
)
def test_what_a_receiver_says_is_shown_without_what_the_url_keeps_secret(said, url, shown):
    assert without_secrets(said, url) == shown
