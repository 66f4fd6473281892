"""One world from one seed: something befalls it at each step, and the checker looks.

`play(seed)` returns the number of fires decided, or raises Failed with the seed and the last
events. Run a seed again with `make sim SEED=…`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from tests.simulation import plan
from tests.simulation.checker import Checker
from tests.simulation.told import Told
from torch.event import Event
from torch.schedule.messages import KillAsked, PauseAsked, ResumeAsked, RunAsked, StopMode, Woke
from torch.testing import Step, World

LAST = 30
"""Events that a failure prints."""


class Failed(AssertionError):
    """What did not hold, and how to see it again."""


def play(seed: int, *, steps: int = 60) -> int:
    game = Game(seed)
    try:
        for _ in range(steps):
            game.step()
        game.end()
    except Exception as error:
        raise Failed(_report(game, error)) from error
    return len(game.world.history.rows)


def _report(game: Game, error: Exception) -> str:
    events = deque(map(_say, game.world.events), maxlen=LAST)
    return "\n".join(
        [f"seed {game.seed}: {type(error).__name__}: {error}",
         f"see it again: make sim SEED={game.seed}", "what befell it:", *game.told,
         f"the last {len(events)} events:", *events]
    )  # fmt: skip


def _say(event: Event) -> str:
    return f"  {event}"[:300]


class Game:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.pick = Random(seed)
        self.planned = plan.tasks(self.pick, self.pick.randint(6, 16))
        self.world = World(lead=self.pick.choice([0.0, 0.03, 0.7]), pids=50)
        self.told: deque[str] = deque(maxlen=12)
        for name in self.planned:
            self.world.processes.behave(name, plan.behaviour(self.pick))
        self.world.load(*self._tasks(), rebooted=True, channels=plan.CHANNELS)
        self.checker = Checker(self.world, self.planned)
        self.judge = Told(self.world)
        self._armed = False

    def _tasks(self):
        return [each.task for each in self.planned.values()]

    def step(self) -> None:
        world, pick = self.world, self.pick
        usual: list[Callable[[], None]] = [
            self._pass, self._pass, self._pass, self._freeze, self._behave, self._run, self._kill,
            self._disk, self._clock, self._die, self._die, self._arm, self._channel,
            self._reaper, self._reaper, self._reaper,
        ]  # fmt: skip
        edits: list[Callable[[], None]] = [self._edit, self._edit, self._pause, self._resume]
        # While the clock is behind, what an edit or a pause begins with depends on the past.
        ahead = world.clock.wall >= self.checker.highest
        act = pick.choice([*usual, *(edits if ahead else [])])
        act()
        if pick.random() < 0.25:
            self._thaw()
        if world.alive_service and pick.random() < 0.5:
            self._tell("time passes")
            world.pass_(pick.choice([0.0, 0.01, 0.5]))
        if not world.alive_service:
            self._come_back()
        self.checker.look()
        self.judge.look()

    def end(self) -> None:
        """No task is left, and nothing that runs: then nothing may be without its end."""
        self._tell("the end: an empty file, and all is killed")
        self.world.history.broken = ""
        self.world.service.dies_after = None
        for reaper in self.world.processes.reapers:
            reaper.dies_at = None
        if not self.world.alive_service:
            self._come_back()
        self._thaw()
        self._settle()
        self.world.load()
        self.checker.loaded({})
        self.world.send(KillAsked(run_ids=tuple(self.world.processes.alive), by_force=True))
        self.world.pass_(100)
        self.checker.at_the_end()
        self.world.seen.down.clear()
        self.world.pass_(800)  # the longest pause of a channel, and a token for a digest
        self.judge.at_the_end()

    def _tell(self, what: str) -> None:
        self.told.append(f"  {self.world.elapsed:10.3f} {what}")

    # ── what befalls ──────────────────────────────────────────────────────────────────────

    def _pass(self) -> None:
        seconds = self.pick.choice([0.3, 1.0, 2.7, 7.0, 20.0])
        self._tell(f"{seconds} s pass")
        self.world.pass_(seconds)

    def _freeze(self) -> None:
        seconds = self.pick.choice([0.5, 3.0, 40.0, 130.0])
        self._tell(f"suspended for {seconds} s")
        self.world.freeze(seconds)

    def _clock(self) -> None:
        # Not back while an edit is not on disk yet: what it then begins with depends on the past.
        written = not self.checker.touched
        seconds = self.pick.choice([-40, -3, 2, 30, 200] if written else [2, 30, 200])
        self._tell(f"the clock is set by {seconds} s")
        self.world.step(seconds)

    def _behave(self) -> None:
        for name in self.pick.sample([*self.planned], min(3, len(self.planned))):
            self.world.processes.behave(name, plan.behaviour(self.pick))

    def _run(self) -> None:
        self.world.send(RunAsked(task=self._name()))

    def _kill(self) -> None:
        alive = [*self.world.processes.alive]
        if alive:
            run_id = self.pick.choice(alive)
            self._tell(f"kill {run_id}")
            self.world.send(KillAsked(run_ids=(run_id,), by_force=self.pick.random() < 0.3))

    def _disk(self) -> None:
        self.world.history.broken = self.pick.choice(["", "disk full"])
        self._tell(f"the disk is {self.world.history.broken or 'fine'}")

    def _channel(self) -> None:
        if "ops" in self.world.seen.down:
            self.world.mend_channel("ops")
        else:
            self.world.break_channel("ops", permanent=self.pick.random() < 0.2)
        self._tell("the channel is " + ("down" if self.world.seen.down else "up"))

    def _arm(self) -> None:
        self.world.crash_after(self.pick.randint(0, 12))
        self._tell("the service will die soon")

    def _reaper(self) -> None:
        """It is killed, now or where it is worst, or stopped by SIGSTOP."""
        world, pick = self.world, self.pick
        how = pick.choice(["killed", "killed", "stopped", "stopped", "old", *Step, *Step])
        if how == "stopped":
            self._tell("the reaper is stopped")
            world.freeze_reaper()
            if pick.random() < 0.4:
                world.pass_(pick.choice([0.5, 2.0]))
                self._tell("and its service killed")
                world.crash()
        elif how == "old":
            self._tell("the reapers of earlier services are killed")
            world.kill_old_reapers()
        elif how == "killed":
            self._tell("the reaper is killed")
            world.kill_reaper()
        else:
            both = pick.random() < 0.4
            self._tell(f"the reaper{' and its service' if both else ''} will die {how}")
            world.kill_reaper(Step(how), both=both)

    def _thaw(self) -> None:
        if any(reaper.silent for reaper in self.world.processes.reapers):
            self._tell("all reapers go on")
            self.world.thaw_reapers()

    def _pause(self) -> None:
        name, seconds = self._name(), self.pick.choice([None, 3.5, 30.0])
        until = None if seconds is None else self.world.clock.wall + seconds
        self._tell(f"pause {name} for {seconds}")
        self._settle()
        if self.world.alive_service:
            self.checker.paused(name, until)
            self.world.send(PauseAsked(task=name, until=until))

    def _resume(self) -> None:
        name = self._name()
        self._tell(f"resume {name}")
        self._settle()
        if self.world.alive_service:
            self.checker.resumed(name)
            self.world.send(ResumeAsked(task=name))

    def _settle(self) -> None:
        """What is due at this instant is decided, and looked at, before something changes."""
        self.world.send(Woke())
        if self.world.alive_service:
            self.checker.look()

    def _edit(self) -> None:
        """Some tasks change; of the others nothing may."""
        self._settle()
        if not self.world.alive_service:
            return
        fresh = self._edited()
        same = [n for n, each in fresh.items() if self._is_same(n, each)]
        before = {name: self._of(name) for name in same}
        self._tell(f"a file with changes of {sorted({*fresh, *self.planned} - {*same})}")
        self.judge.forget({*fresh, *self.planned} - {*same})
        self.planned = fresh
        self.world.load(*self._tasks())
        self.checker.loaded(fresh)
        if self.world.alive_service:
            for name, was in before.items():
                assert was == self._of(name), f"the edit touched {name}: {was} {self._of(name)}"

    def _is_same(self, name: str, each: plan.Planned) -> bool:
        old = self.planned.get(name)
        return old is not None and old.task.digest == each.task.digest

    def _of(self, name: str) -> object:
        """What of a task an edit of another must leave alone."""
        world = self.world
        state = next(s for s in world.tasks() if s.task.name == name)
        return (
            state.next,
            sorted(p.run.id for p in world.processes.of(name)),
            [run.id for run in state.waiting],
            [each.run.id for each in state.put_off],
            state.paused,
            len(world.signals_of(name)),
        )

    def _edited(self) -> dict[str, plan.Planned]:
        fresh = dict(self.planned)
        for _ in range(self.pick.randint(1, 3)):
            name = f"t{self.pick.randint(0, 18):02}"
            if name in fresh and self.pick.random() < 0.3:
                del fresh[name]
            else:
                fresh[name] = plan.task(self.pick, name)
        return fresh

    def _name(self) -> str:
        return self.pick.choice([*self.planned, "nobody"])

    # ── death and return ──────────────────────────────────────────────────────────────────

    def _die(self) -> None:
        how = self.pick.choice(["killed", "killed", "kept", "stopped", "reboot", "both"])
        self._tell(how)
        if how == "kept":
            self.world.stop(mode=StopMode.KEEP)
        elif how == "stopped":
            self.world.stop()
            self.world.pass_(20)
        elif how == "reboot":
            self.checker.reboots += 1
            self.world.reboot()
        self.world.crash(both=how == "both")

    def _come_back(self) -> None:
        """Perhaps later, perhaps with another file, perhaps killed a few times on the way."""
        world, pick = self.world, self.pick
        self.checker.crashed()
        self.judge.died()
        away = pick.choice([0.0, 0.4, 5.0, 90.0])
        self._tell(f"dead for {away} s")
        world.pass_(away / 2)
        if pick.random() < 0.3:
            pick.choice([self._thaw, world.kill_old_reapers, world.kill_reaper])()
        world.pass_(away / 2)
        world.history.broken = ""
        edited = pick.random() < 0.25 and world.clock.wall >= self.checker.highest
        if edited:
            fresh = self._edited()
            same = {n for n, each in fresh.items() if self._is_same(n, each)}
            self.judge.forget({*fresh, *self.planned} - same)
            self.planned = fresh
        for _ in range(pick.choice([0, 0, 0, 1, 3])):
            world.recover(*self._tasks(), dies_after=pick.randint(0, 6))
            if pick.random() < 0.2:
                world.freeze_reaper()
            world.crash(both=pick.random() < 0.2)
            self.judge.died()
        self._tell(f"a new service{', another file' if edited else ''}")
        world.recover(*self._tasks())
        self.checker.recovered(self.planned)
