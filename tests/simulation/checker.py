"""Judges a world from outside: what it was told, what is on disk, and which processes lived.

Owns a model of its own: which fires each task must have decided, by arithmetic on the wall
clock. It asks the core for nothing that it judges. `broken` raises with what does not hold.

Which fires must have a disposition: those of every span in which a task was defined, enabled and
of a schedule; also while it was paused, once the pause is over. A span ends where an edit or a
removal was heard. What was changed and never reached the disk before a crash may be as it was
before or after: these fires are `doubtful`, and may have one disposition or none.

How many may live: a slot is given by the definition in force at that moment, and a lower `max`
stops nothing that has one; so at most the largest `max` among what is alive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from tests.simulation.plan import Planned
from torch.run import Outcome, State, Trigger
from torch.schedule.messages import Woke
from torch.task import Task
from torch.testing import Row, World


class Broken(AssertionError):
    """A promise does not hold."""


@dataclass
class Known:
    """What the checker knows of one task name."""

    planned: Planned | None = None  # None: not in the file
    upto: int = 0  # every fire up to here is expected, or never will be
    open: set[int] = field(default_factory=set)  # fires that have no disposition yet
    covered: set[int] = field(default_factory=set)
    doubtful: list[tuple[int, int]] = field(default_factory=list)
    paused: bool = False
    until: float | None = None  # of the pause
    slept: bool = False  # it was paused in this step or the one before
    clean: int = 0  # `upto` when the disk last knew everything

    def fires(self, after: int, until: int) -> list[int]:
        planned = self.planned
        if planned is None or planned.plain is None or not planned.task.enabled:
            return []
        return planned.plain.fires(after, until)

    def expect(self, until: int) -> None:
        self.open.update(f for f in self.fires(self.upto, until) if f not in self.covered)
        self.upto = max(self.upto, until)


class Checker:
    def __init__(self, world: World, planned: dict[str, Planned]) -> None:
        self.world = world
        self.known: dict[str, Known] = {}
        self.tasks: dict[str, Task] = {}  # every definition there was, by digest
        self.touched: set[str] = set()  # changed since the disk last knew everything
        self.highest = world.clock.wall
        self.reboots = 0
        self._rows = self._begun = 0
        self._firings: set[tuple[str, int, int]] = set()
        self._ran: set[str] = set()
        self._unfinished: dict[str, Row] = {}
        self._finished: dict[str, tuple[Outcome | None, int | None]] = {}
        self._lost: list[Row] = []  # failed attempts, whose next one is looked for
        self._wakes, self._mono = 0, world.clock.mono
        self._take(planned, int(world.clock.wall))

    # ── what the world is told ────────────────────────────────────────────────────────────

    def loaded(self, planned: dict[str, Planned]) -> None:
        """A changed file was heard: the old definitions end here."""
        self._advance()
        self._take(planned, int(self.world.clock.wall))

    def paused(self, name: str, until: float | None) -> None:
        known = self.known.get(name)
        if known is None or known.planned is None:
            return
        if not known.paused:
            known.expect(int(self.world.clock.wall))
        known.paused, known.until, known.slept = True, until, True
        self.touched.add(name)

    def resumed(self, name: str) -> None:
        known = self.known.get(name)
        if known is not None and known.paused:
            known.paused = False
            self.touched.add(name)

    def crashed(self) -> None:
        """What was told and is not on disk may be lost."""
        for name in self.touched:
            known = self.known[name]
            known.doubtful.append((min(known.clean, known.upto) - 1, 1 << 60))
            known.open.clear()
            pause = self.world.history.pauses.get(name)
            known.paused, known.until = pause is not None, pause.until if pause else None

    def recovered(self, planned: dict[str, Planned]) -> None:
        """A new service has begun: unchanged tasks go on, others begin now."""
        now = int(self.world.clock.wall)
        self.highest = max(self.highest, self.world.clock.wall)
        for name, known in self.known.items():
            fresh = planned.get(name)
            same = known.planned and fresh and known.planned.task.digest == fresh.task.digest
            if not same or name in self.touched:
                since = min(known.clean, known.upto, now) - 1
                # And a second more: what was decided ahead for the old definition has its row.
                known.doubtful.append((since, int(self.highest) + 1))
                known.open.clear()
                known.upto = max(known.upto, now)
                if fresh is None:
                    known.paused = False
            else:  # what was decided since and did not reach the disk is decided anew
                known.open = {fire for fire in known.open if fire <= known.clean}
                known.upto = min(known.upto, known.clean)
        for name in self.touched:
            known = self.known[name]
            known.doubtful = [(a, min(b, int(self.highest) + 1)) for a, b in known.doubtful]
        self.touched.clear()
        self._take(planned, now, restart=True)

    def _take(self, planned: dict[str, Planned], now: int, *, restart: bool = False) -> None:
        for name in {*self.known, *planned}:
            known = self.known.setdefault(name, Known(upto=now, clean=now))
            fresh = planned.get(name)
            old = known.planned.task.digest if known.planned else None
            if fresh is not None:
                self.tasks[fresh.task.digest] = fresh.task
            if old == (fresh.task.digest if fresh else None):
                continue
            if not restart:
                if known.paused:
                    known.expect(now)
                self.touched.add(name)
                # What the old definition had decided ahead may be written later.
                known.doubtful += [(f - 1, f) for f in known.fires(now, now + 1)]
            known.planned, known.upto = fresh, max(known.upto, now)
            if fresh is None:
                known.paused = False

    # ── after every step ──────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Everything that must hold now, holds; else Broken."""
        world = self.world
        self._wakes_are_few()
        if world.alive_service and not world.left:
            world.send(Woke())  # what is due at this very instant is decided
        self._advance()
        self._starts()
        self._ingest()
        self._outcomes()
        self._slots()
        written = not world.history.broken and not world.service.owed
        if world.alive_service and not world.left and written:
            self._nothing_is_open()
            self._retries()
            self.touched.clear()
            for known in self.known.values():
                known.clean, known.slept = known.upto, known.paused

    def _advance(self) -> None:
        self.highest = max(self.highest, self.world.clock.wall)
        if not self.world.alive_service:
            return
        now = self.world.clock.wall
        for name, known in self.known.items():
            if known.paused and known.until is not None and known.until <= now:
                known.paused, known.until = False, None
                self.touched.add(name)  # that it ended may not reach the disk
            if not known.paused:
                known.expect(int(now))

    def _nothing_is_open(self) -> None:
        for name, known in self.known.items():
            if known.open and not known.paused:
                raise Broken(f"{name}: no disposition of {sorted(known.open)[:5]}")

    # ── dispositions ──────────────────────────────────────────────────────────────────────

    def _ingest(self) -> None:
        rows = self.world.history.rows
        for row in islice(rows.values(), self._rows, None):
            run, known = row.run, self.known.get(row.run.task)
            self._unfinished[run.id] = row
            if known is None:
                raise Broken(f"{run}: a row of a task that never was")
            if run.fire_time is not None and run.attempt == 1:
                self._cover(row, known)
            elif run.attempt > 1:
                self._follows_a_failure(row)
        self._rows = len(rows)

    def _cover(self, row: Row, known: Known) -> None:
        run = row.run
        first, last = int(run.fire_time or 0), int(row.last or run.fire_time or 0)
        doubted = [f for f in (first, last) if any(a < f <= b for a, b in known.doubtful)]
        task = self.tasks.get(row.digest)
        if task is not None and task.schedule and all(s.is_reboot for s in task.schedule):
            return
        timeless = known.planned is not None and known.planned.plain is None
        if timeless and not doubted and first not in known.open:
            return  # `@reboot`: its fire has no time of its own
        found = [first] if row.last is None else [
            f for f in sorted({*known.open, *known.covered}) if first <= f <= last
        ]  # fmt: skip
        for fire in found:
            if fire in known.covered:
                raise Broken(f"{run.task}: two dispositions of {fire}: {row}")
            ahead = known.upto < fire <= self.highest + 1 and known.fires(fire - 1, fire)
            if fire not in known.open and not ahead and not doubted:
                raise Broken(f"{run.task}: nothing fires at {fire}: {row}")
            known.covered.add(fire)
            known.open.discard(fire)
        if len(found) != row.count and not doubted:
            raise Broken(f"{run.task}: {len(found)} fires, not {row.count}: {row}")
        if known.paused and row.ending is None and not doubted and first > known.upto + 1:
            raise Broken(f"{run.task}: fired while it was paused: {row}")

    def _follows_a_failure(self, row: Row) -> None:
        run = row.run
        before = [
            r for r in self.world.history.rows.values()
            if (r.run.task, r.run.fire_time, r.run.attempt)
            == (run.task, run.fire_time, run.attempt - 1)
        ]  # fmt: skip
        if not before or before[0].outcome not in (Outcome.FAILED, Outcome.TIMED_OUT):
            raise Broken(f"an attempt without a failed one before it: {row}")

    # ── processes ─────────────────────────────────────────────────────────────────────────

    def _starts(self) -> None:
        begun = self.world.seen.begun
        for run in islice(begun, self._begun, None):
            if run.id in self._ran:
                raise Broken(f"{run.id} was started twice")
            self._ran.add(run.id)
            if run.fire_time is not None:
                firing = (run.task, int(run.fire_time), run.attempt)
                if firing in self._firings:
                    raise Broken(f"{firing} was started twice")
                self._firings.add(firing)
        self._begun = len(begun)

    def _slots(self) -> None:
        living: dict[str, list[int]] = {}
        world = self.world
        for process in world.processes.alive.values():
            living.setdefault(process.run.task, []).append(process.task.max)
            if process.task.digest and process.task.digest not in self.tasks:
                raise Broken(f"{process.run} runs a definition that never was")
            self._has_timed_out(process.run.id)
        for name, most in living.items():
            if len(most) > max(most):
                raise Broken(f"{len(most)} of {name} live, max is {max(most)}")

    def _has_timed_out(self, run_id: str) -> None:
        world = self.world
        process = world.processes.alive[run_id]
        timeout = process.task.timeout
        if timeout is None or not world.alive_service or world.left:
            return
        hears = process.behaviour.term_lasts is not None and not process.behaviour.unkillable
        if hears and world.clock.mono > process.began + timeout + 0.01 and not process.termed:
            raise Broken(f"{process.run} lives past its timeout")

    # ── ends ──────────────────────────────────────────────────────────────────────────────

    def _outcomes(self) -> None:
        for run_id, row in [*self._unfinished.items()]:
            if row.state is State.FINISHED:
                del self._unfinished[run_id]
                self._finished[run_id] = _end(row)
                self._end_is_true(row)
        for run_id in islice(reversed(self._finished), 50):
            self._is_as_it_was(run_id)

    def _is_as_it_was(self, run_id: str) -> None:
        if _end(self.world.history.rows[run_id]) != self._finished[run_id]:
            raise Broken(f"a finished row moved: {self.world.history.rows[run_id]}")

    def at_the_end(self) -> None:
        self._starts()
        self._ingest()
        self._outcomes()
        for run_id, row in self._unfinished.items():
            if run_id not in self.world.processes.alive:
                raise Broken(f"it has no end: {row}")
        for run_id in self._finished:
            self._is_as_it_was(run_id)

    def _end_is_true(self, row: Row) -> None:
        run_id, outcome = row.run.id, row.outcome
        told = outcome in (Outcome.KILLED, Outcome.TIMED_OUT)
        if run_id not in self._ran:
            # B without S: nobody knows whether there was a process.
            doubtful = run_id in self.world.processes.heard.excused
            unknown = outcome is Outcome.UNKNOWN and (self.reboots or doubtful)
            never = (Outcome.SKIPPED, Outcome.MISSED, Outcome.FAILED)
            if outcome not in never and not unknown and not (told and doubtful):
                raise Broken(f"it never began: {row}")
            return
        if run_id in self.world.processes.alive:
            raise Broken(f"it lives, and has an end: {row}")
        true, lived = self.world.processes.ends[run_id]
        code = row.ending.exit_code if row.ending is not None else None
        if code is None and run_id not in self.world.processes.heard.excused:
            raise Broken(f"its exit code was {true}, and could be known: {row}")
        if code is not None and code != true:
            raise Broken(f"its exit code was {true}: {row}")
        if (outcome is Outcome.UNKNOWN) != (code is None) and not (told and code is None):
            raise Broken(f"its exit code is {code}: {row}")
        task = self.tasks.get(row.digest)
        if task is None:
            return
        counts = outcome in (Outcome.SUCCEEDED, Outcome.FAILED)
        if counts and (outcome is Outcome.SUCCEEDED) != (code in task.success_codes):
            raise Broken(f"its exit code was {code}: {row}")
        late = task.timeout is not None and lived >= task.timeout - 0.01
        # While a reaper is silent nobody sees that a run has ended, and its timeout may pass.
        late = late or run_id in self.world.processes.heard.late
        if outcome is Outcome.TIMED_OUT and code is not None and not late:
            raise Broken(f"it lived {lived} s, its timeout is {task.timeout} s: {row}")
        if outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
            self._lost.append(row)

    def _retries(self) -> None:
        """Every failed attempt that has another one after it has it on disk."""
        failed, self._lost = self._lost, []
        for row in failed:
            run, task = row.run, self.tasks.get(row.digest)
            known = self.known[run.task]
            if task is None or task.retry is None or run.attempt > task.retry.attempts:
                continue
            if run.trigger not in (Trigger.SCHEDULE, Trigger.CATCH_UP) or known.planned is None:
                continue
            if (
                known.paused
                or known.slept
                or run.task in self.touched
                or known.planned.task.digest != row.digest
            ):
                continue
            following = (run.task, run.fire_time, run.attempt + 1)
            if following not in self.world.history._identities:
                raise Broken(f"no attempt follows {row}")

    # ── wakes ─────────────────────────────────────────────────────────────────────────────

    def _wakes_are_few(self) -> None:
        """Two for each second in which something fires, and a few for each run."""
        world = self.world
        new, passed = world.seen.wakes - self._wakes, world.clock.mono - self._mono
        runs = len(world.history.rows) - self._rows + len(world.seen.begun) - self._begun
        if new > 20 + 3 * passed + 4 * runs:
            raise Broken(f"{new} wakes in {passed:g} s with {runs} rows and starts")
        self._wakes, self._mono = world.seen.wakes, world.clock.mono


def _end(row: Row) -> tuple[Outcome | None, int | None]:
    return row.outcome, row.ending.exit_code if row.ending else None
