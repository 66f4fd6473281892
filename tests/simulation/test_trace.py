"""The core decides in each world what it decided before its structure was changed."""

from __future__ import annotations

import pytest

from tests.simulation.trace import SEEDS, known, trace


@pytest.mark.parametrize("seed", SEEDS)
def test_a_core_of_another_structure_decides_what_the_old_one_did(seed):
    assert trace(seed) == known()[str(seed)], (
        "this world is decided otherwise than before; if that is meant: "
        "python -m tests.simulation.trace, and say why in the commit"
    )


def test_a_core_that_decides_otherwise_is_found_out(monkeypatch):
    from torch.schedule import backoff, keepalive

    monkeypatch.setattr(keepalive, "restart_delay", lambda *_: backoff.CRASH_LOOP)
    found = known()
    assert any(trace(seed) != found[str(seed)] for seed in SEEDS)
