"""A line of the log, read back and said as the foreground says it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.test_every_event import EVENTS, anything
from torch import zone
from torch.clock import local
from torch.report import log
from torch.report.logline import read, spoken

AT = 1.8e9 + 0.25


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_line_says_what_the_foreground_said_of_the_event(kind, data):
    event = data.draw(anything(kind))
    for line in (log.logfmt(event, AT), log.as_json(event, AT)):
        assert spoken(line, local(AT).date()) == log.console(event, AT)


@given(st.text())
def test_any_other_line_is_shown_as_it_is_and_harmless(line):
    shown = spoken(line, date(2026, 1, 1))
    assert "\x1b" not in shown and "\n" not in shown


def test_a_line_of_another_day_has_its_day_in_front(monkeypatch):
    monkeypatch.setattr(zone, "_current", zone.HostZone(key="Asia/Tokyo"))
    line = 'time=2026-11-26T23:30:00.007+00:00 level=warn event=x msg="it was\\u001b so"'
    assert spoken(line, date(2026, 11, 27)) == "08:30:00.007 ! it was\\x1b so"
    assert spoken(line, date(2026, 11, 28)) == "2026-11-27 08:30:00.007 ! it was\\x1b so"


def test_half_a_line_is_no_line_of_the_log():
    assert read('time=2026-11-26T23:30:00.007+00:00 msg="it wa') == {}
    assert read("{") == {} and read("[1]") == {}
