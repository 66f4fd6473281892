"""What lasts is shown on a terminal only, only after a moment, and leaves nothing behind."""

from __future__ import annotations

import io

import pytest

from torch.cli.terminal.waiting import Waiting, bar, elapsed
from torch.clock import Now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def mono(monkeypatch):
    """A monotonic clock that goes when it is told to."""
    at = [100.0]
    monkeypatch.setattr("torch.clock.SystemClock.now", lambda _: Now(0.0, at[0]))
    return at


def test_what_is_quick_shows_nothing(mono, monkeypatch):
    said = Terminal()
    monkeypatch.setattr("sys.stderr", said)
    with Waiting(elapsed("waiting")) as look:
        look()
        mono[0] += 0.4
        look()
    assert said.getvalue() == ""


def test_what_lasts_is_shown_with_its_time_and_wiped_away(mono, monkeypatch):
    said = Terminal()
    monkeypatch.setattr("sys.stderr", said)
    with Waiting(elapsed("waiting for x to end")) as look:
        mono[0] += 12.0
        look()
    assert "waiting for x to end, 12.0 s" in said.getvalue()
    assert said.getvalue().endswith("\r\x1b[K")


def test_into_a_pipe_nothing_is_shown(mono, monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    with Waiting(elapsed("waiting")) as look:
        mono[0] += 60
        look()
    assert said.getvalue() == ""


def test_a_bar_is_as_long_whatever_is_done():
    assert {len(bar(share / 10)) for share in range(-2, 14)} == {22}
    assert bar(0.0).count("=") == 0 and bar(1.0).endswith(">]")
