"""The spread of a jitter: picked by task, host and fire time, the same for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from torch.clock import FireTime
from torch.schedule.jitter import offset

FIRE = FireTime(1_800_000_000)


@given(st.floats(0, 86_400), st.text(max_size=8), st.text(max_size=8), st.integers(0, 2**40))
def test_a_spread_is_at_least_nothing_and_less_than_the_jitter(jitter, task, host, fire):
    found = offset(jitter, task=task, host=host, fire=FireTime(fire))
    assert found == 0.0 or 0.0 <= found < jitter
    assert found == offset(jitter, task=task, host=host, fire=FireTime(fire))


def test_a_spread_is_the_same_for_ever():
    assert offset(60.0, task="a", host="h", fire=FIRE) == 15.835


def test_hosts_tasks_and_fires_are_spread_apart():
    hosts = {offset(60.0, task="a", host=f"h{n}", fire=FIRE) for n in range(100)}
    tasks = {offset(60.0, task=f"t{n}", host="h", fire=FIRE) for n in range(100)}
    fires = {offset(60.0, task="a", host="h", fire=FireTime(FIRE + n)) for n in range(100)}
    assert min(len(hosts), len(tasks), len(fires)) > 95
    assert min(hosts) < 6.0 < 54.0 < max(hosts)


def test_without_jitter_nothing_is_put_off():
    assert offset(0.0, task="a", host="h", fire=FIRE) == 0.0
