"""Receivers of alerts, for whichever test wants one; and a zone that no test leaves behind."""

from __future__ import annotations

import pytest

from tests.receivers import HttpReceiver, SmtpReceiver
from torch import zone

zone.of("UTC")  # the import of zoneinfo counts in no test


@pytest.fixture
def http():
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def smtp():
    with SmtpReceiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def zone_of_each_test(monkeypatch):
    """A process looks for its host's zone once; each test may be another host."""
    monkeypatch.setattr(zone, "_current", None)
