"""Seeded worlds in which everything goes wrong, judged by a checker that is itself tested."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.play import Failed, play

QUICK = range(40)
"""Seeds of every `make test`; `make sim` goes on from there."""

FOUND = (1562053938, 3404801064, 3680562671, 3132251391)
"""Seeds whose worlds once broke a promise: runs of older definitions told anew at each restart."""


@pytest.mark.parametrize("seed", [*QUICK, *FOUND])
def test_every_promise_holds_in_a_world_where_everything_goes_wrong(seed):
    assert play(seed) > 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_core_is_found_out_in_which(mutant, monkeypatch):
    mutant(monkeypatch)
    with pytest.raises(Failed, match="make sim SEED=") as caught:
        for seed in QUICK:
            play(seed)
    assert isinstance(caught.value.__cause__, AssertionError)


def test_a_seed_is_the_same_world_each_time():
    assert play(3) == play(3)
