"""A source of fires that was made here: the core asks it, and the clock's knows nothing of it."""

from __future__ import annotations

from torch.clock import FireTime, Now
from torch.run import Trigger
from torch.schedule.answer import Answer
from torch.schedule.messages import PauseAsked
from torch.schedule.sources import Fires
from torch.task import Overlap
from torch.testing import World, cron

BASE = 1_800_000_000


class Appointments:
    """Runs of tasks at given instants, in seconds after the base."""

    def __init__(self, fires: Fires, *at: tuple[float, str]) -> None:
        self._fires = fires
        self._open = sorted(at)
        self.unknown: list[str] = []

    def next_at(self) -> float | None:
        return self._open[0][0] + BASE if self._open else None

    def take(self, now: Now, answer: Answer) -> None:
        while self._open and self._open[0][0] + BASE <= now.wall:
            at, task = self._open.pop(0)
            fire = FireTime(int(at) + BASE)
            if not self._fires.fire(task, now, answer, fire_time=fire):
                self.unknown.append(task)


def world(*tasks, at: list[tuple[float, str]], **keys) -> World:
    return World(*tasks, sources=[lambda fires: Appointments(fires, *at)], **keys)


def test_the_core_wakes_for_what_another_source_has_and_it_has_its_row():
    found = world(cron("a", "0 * * * *"), at=[(7.0, "a"), (12.5, "a")])
    found.pass_(20)
    assert found.starts_of("a") == [7.0, 12.5]
    assert found.outcomes("a") == ["succeeded", "succeeded"]


def test_the_clock_goes_on_beside_it():
    found = world(cron("a", "*/10 * * * * *"), cron("b", "0 * * * *"), at=[(10.0, "b")], lead=0.03)
    found.pass_(25)
    assert found.starts_of("a") == [10.0, 20.0]
    assert found.starts_of("b") == [10.0]


def test_what_it_fires_passes_the_same_gates():
    found = world(
        cron("a", "0 * * * *", overlap=Overlap.QUEUE), at=[(n, "a") for n in (1, 2, 3, 4)]
    )
    found.behave("a", lasts=10.0)
    found.pass_(25)
    assert found.outcomes("a") == ["succeeded", "succeeded", "skipped", "skipped"]
    assert found.starts_of("a") == [1.0, 11.0]


def test_what_is_due_is_taken_before_something_changes_that_it_depends_on():
    found = world(cron("a", "0 * * * *"), at=[(5.0, "a")])
    found.clock.advance(5)
    found.send(PauseAsked(task="a"))
    assert [row.run.trigger for row in found.rows("a")] == [Trigger.SCHEDULE]
    assert found.alive("a") == 1


def test_a_task_that_this_host_does_not_have_is_said_to_the_source():
    made: list[Appointments] = []

    def make(fires: Fires) -> Appointments:
        made.append(Appointments(fires, (1.0, "nobody")))
        return made[-1]

    World(cron("a"), sources=[make]).pass_(2)
    assert made[0].unknown == ["nobody"]
