"""What is usual for a task: the median of its newest successes, and how often it came back."""

from __future__ import annotations

from tests.history.rows import T0, commit, ended, intent, never, started
from torch.history import usual
from torch.run import Outcome, Trigger


def ran(store, run_id: str, seconds: float, outcome=Outcome.SUCCEEDED, *, fire: int):
    end = ended(run_id, outcome, fire + seconds)
    commit(store, intent(run_id, fire=fire), started(run_id, fire), end, at=fire)


def test_the_usual_duration_is_the_median_of_the_successes(store):
    for number, seconds in enumerate((5.0, 100.0, 7.0)):
        ran(store, f"a{number}", seconds, fire=T0 + number * 200)
    ran(store, "a9", 1.0, Outcome.FAILED, fire=T0 + 900)
    commit(store, never("a10", Outcome.SKIPPED, fire=T0 + 1000), at=T0 + 1000)
    assert usual.durations(store.path, ["a", "b"]) == {"a": 7.0}


def test_only_the_newest_successes_count(store):
    for number in range(40):
        ran(store, f"a{number}", 100.0 if number < 20 else 3.0, fire=T0 + number * 200)
    assert usual.durations(store.path, ["a"]) == {"a": 3.0}


def test_a_task_that_never_succeeded_has_no_usual_duration(store):
    ran(store, "a1", 1.0, Outcome.FAILED, fire=T0)
    assert usual.durations(store.path, ["a"]) == {}


def test_the_starts_of_a_daemon_task_are_counted_since_an_instant(store):
    for number in range(4):
        commit(store, intent(f"d{number}", "d", None, trigger=Trigger.DAEMON), at=T0 + number)
    assert usual.starts(store.path, ["d", "e"], T0 + 2) == {"d": 2, "e": 0}
