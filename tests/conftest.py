"""Receivers of alerts, for whichever test wants one; and a zone that no test leaves behind."""

from __future__ import annotations

import hypothesis
import pytest

from tests.receivers import HttpReceiver, SmtpReceiver
from torch import zone

# How long an example takes says how busy the host is, and nothing of Torch.
hypothesis.settings.register_profile(
    "torch", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("torch")

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
