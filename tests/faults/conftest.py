"""Faults come in two sizes: quick in `make test`, long in `make faults` (TORCH_FAULTS=long)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.faults.patient import Patient

T = TypeVar("T")

LONG = os.environ.get("TORCH_FAULTS") == "long"
_FIGURES = pytest.StashKey[list[str]]()


class Size:
    """Says how much of a fault a test goes through."""

    long = LONG

    def of(self, *, quick: T, long: T) -> T:
        return long if LONG else quick


@pytest.fixture
def size() -> Size:
    return Size()


@pytest.fixture
def service(tmp_path):
    tmp_path.chmod(0o755)
    made = Patient(tmp_path)
    yield made
    made.cleanup()


@pytest.fixture
def figure(request) -> Callable[[str], None]:
    """Keeps a sentence with what a test has counted; `make faults` prints them at its end."""
    kept: list[str] = request.config.stash.setdefault(_FIGURES, [])
    return kept.append


def pytest_terminal_summary(terminalreporter, config):
    if LONG and (figures := config.stash.get(_FIGURES, [])):
        terminalreporter.section("figures")
        for sentence in figures:
            terminalreporter.write_line(sentence)


@pytest.fixture
def strace() -> str:
    """The path of strace, where it is installed and may trace."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed: sudo apt-get install strace")
    tried = subprocess.run([found, "-o", "/dev/null", "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    return found
