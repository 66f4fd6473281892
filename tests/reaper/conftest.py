"""Reapers for tests: ended, with all that their runs left, when the test is over."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.reaper.talking import Reaper


@pytest.fixture
def public():
    """A folder that every user comes to; nobody else may into those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def make(tmp_path):
    made = []

    def start(folder=tmp_path, **keys):
        reaper = Reaper(folder, **keys)
        made.append(reaper)
        return reaper

    yield start
    for reaper in made:
        reaper.close()


@pytest.fixture
def reaper(make):
    return make().ready()
