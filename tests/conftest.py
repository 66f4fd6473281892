"""Receivers of alerts, for whichever test wants one."""

from __future__ import annotations

import pytest

from tests.receivers import HttpReceiver, SmtpReceiver


@pytest.fixture
def http():
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def smtp():
    with SmtpReceiver() as receiver:
        yield receiver
