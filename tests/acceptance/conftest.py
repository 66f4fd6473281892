"""The service of an acceptance test, and its end."""

from __future__ import annotations

import pytest

from tests.service import Service


@pytest.fixture
def service(tmp_path):
    tmp_path.chmod(0o755)
    made = Service(tmp_path)
    yield made
    made.cleanup()
