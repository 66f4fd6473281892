"""How long a daemon task waits before it comes back."""

from __future__ import annotations

import pytest

from torch.schedule.backoff import restart_delay
from torch.task import Restart


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10_000, 60)]
)
def test_each_death_doubles_the_delay_up_to_the_most(failures, seconds):
    assert restart_delay(Restart(delay=1, max_delay=60), failures) == seconds


def test_a_first_delay_above_the_most_is_the_most():
    assert restart_delay(Restart(delay=30, max_delay=5), 1) == 5
