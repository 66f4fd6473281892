"""A bar over many items: drawn when it lasts, never into a pipe."""

from __future__ import annotations

import sys

import pytest

from torch.cli.terminal.progress import tracked
from torch.clock import Now, SystemClock


@pytest.fixture
def slow_clock(monkeypatch):
    """Each look at the clock takes a tenth of a second."""
    readings = iter(range(10**6))
    monkeypatch.setattr(SystemClock, "now", lambda _: Now(0.0, next(readings) / 10))


@pytest.mark.usefixtures("slow_clock")
def test_what_lasts_has_a_bar_that_is_wiped_away(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(tracked(range(50), "counting")) == list(range(50))
    out, err = capsys.readouterr()
    assert out == ""
    assert "counting [" in err and " of 50" in err
    assert err.endswith("\r\x1b[K")


@pytest.mark.usefixtures("slow_clock")
def test_into_a_pipe_nothing_is_drawn(capsys):
    assert list(tracked(range(50), "counting")) == list(range(50))
    assert capsys.readouterr().err == ""


def test_what_is_quick_stays_quiet(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(SystemClock, "now", lambda _: Now(0.0, 1.0))
    assert list(tracked("abc", "counting")) == ["a", "b", "c"]
    assert list(tracked([], "counting")) == []
    assert capsys.readouterr().err == ""
