"""How long a daemon task waits before it comes back."""

from __future__ import annotations

import pytest

from torch.schedule.backoff import restart_delay, retry_delay
from torch.task import Restart, Retry


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10_000, 60)]
)
def test_each_death_doubles_the_delay_up_to_the_most(failures, seconds):
    assert restart_delay(Restart(delay=1, max_delay=60), failures) == seconds


def test_a_first_delay_above_the_most_is_the_most():
    assert restart_delay(Restart(delay=30, max_delay=5), 1) == 5


def test_each_attempt_waits_longer_than_the_one_before_up_to_the_most():
    policy = Retry(attempts=9, delay=3.0, backoff=2.0, max_delay=20.0)
    assert [retry_delay(policy, attempt) for attempt in range(1, 6)] == [3, 6, 12, 20, 20]


def test_no_number_of_attempts_makes_a_delay_too_large_to_compute():
    assert retry_delay(Retry(attempts=10**6, delay=1.0, backoff=9.0), 10**6) == 600.0


def test_a_retry_without_a_delay_is_at_once_for_ever():
    assert retry_delay(Retry(attempts=9, delay=0.0), 9) == 0.0
