"""The reapers of one host in memory, what they start, and what is left when one is killed.

Owns who is the parent of what lives, and the evidence that outlives a service. Each service
has a reaper of its own: it writes B, starts the process, writes S, and X when it has ended. A
reaper outlives its service and finishes what it has. If it is killed while its service lives,
the service is the parent of its processes and learns their codes; else nobody does.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from torch.run import Run
from torch.schedule.evidence import NOTHING_SAID, REAPER_KILLED
from torch.schedule.messages import Ended, NotStarted, Started
from torch.task import Task
from torch.testing.heard import Heard
from torch.testing.lives import Lives, Parent, Process
from torch.testing.reaper import FakeReaper, Order, Said, Step

WITHDRAWN = "stopped before it started"


class FakeProcesses(Lives):
    """What is alive, by run id, and what its reapers know of it."""

    def __init__(self, *, pids: int = 30_000) -> None:
        super().__init__(pids=pids)
        self.current = FakeReaper()  # of the newest service
        self.reapers = [self.current]  # with those whose journals remain
        self.heard = Heard()
        self.given: dict[str, FakeReaper] = {}  # which one has the run in orders or journal
        self.doubted: dict[str, Order] = {}  # adopted; a silent reaper may begin it, or not
        self.serving = True  # the newest service lives
        self.service_falls = False  # it was killed together with its reaper

    @property
    def orders(self) -> dict[str, Order]:
        """What reapers were told to start and have not begun, by run id."""
        return {run_id: order for r in self.reapers for run_id, order in r.orders.items()}

    def said(self, run_id: str) -> Said | None:
        """The lines of the run in a journal."""
        reaper = self.given.get(run_id)
        return reaper.journal.get(run_id) if reaper is not None else None

    # ── what a service does ───────────────────────────────────────────────────────────────

    def start(
        self, run: Run, task: Task, mono: float, wall: float = 0.0, *, at: float | None = None
    ) -> None:
        """Its reaper is told to start it, at once or at the monotonic instant `at`."""
        self.heard.watched.add(run.id)
        self._give(Order(run=run, task=task, at=at), mono, wall)

    def withdraw(self, run_id: str) -> bool:
        """What was not begun never begins; False if there is no such order. The answer of a
        silent reaper comes when it goes on."""
        order = self.doubted.get(run_id) or self.current.orders.get(run_id)
        if order is None:
            return False
        order.withdrawn = True
        if run_id in self.current.orders and not self.current.silent:
            self._drop(self.current, run_id)
            self.heard.tell(NotStarted(run_id=run_id, reason=WITHDRAWN))
        return True

    def service_begins(self) -> None:
        """A new service, with a reaper of its own; reapers that have nothing left have ended."""
        self.serving, self.service_falls, self.current = True, False, FakeReaper()
        self.reapers = [r for r in self.reapers if r.journal or r.orders or r.ended]
        self.reapers.append(self.current)

    def adopt(self, run: Run, task: Task, *, doubted: bool) -> None:
        """A new service takes it over, and will hear of its end. `doubted`: nobody knows
        whether it began, before a silent reaper answers or is dead."""
        self.heard.watched.add(run.id)
        if doubted:
            self.doubted[run.id] = Order(run=run, task=task)

    def forget(self, run_ids: Iterable[str]) -> None:
        """Their ends are on record: their lines go."""
        for run_id in run_ids:
            reaper = self.given.get(run_id)
            if reaper is None or run_id in self.alive or run_id in reaper.ended:
                continue
            self.heard.is_recorded(run_id)
            if reaper.journal.pop(run_id, None) is not None:
                del self.given[run_id]

    # ── what befalls services and reapers ─────────────────────────────────────────────────

    def service_died(self) -> None:
        """What lives goes on, and nobody hears of its end. A reaper drops what it has not
        begun, if it is not silent: then it does so later."""
        self.serving = False
        if self.current.alive and not self.current.silent:
            for run_id in [*self.current.orders]:
                self._drop(self.current, run_id)
        for process in self.alive.values():
            if process.parent is Parent.SERVICE:
                process.parent = Parent.INIT
                self.heard.excused.add(process.run.id)
        self.heard.service_died()
        self.doubted.clear()

    def kill(self, reaper: FakeReaper, mono: float, wall: float) -> None:
        """SIGKILL. The service that started it, if it lives, is the parent of its processes
        from now on, starts another reaper, and gives it what this one had not begun."""
        if not reaper.alive:
            return
        reaper.alive = reaper.silent = False
        if reaper is self.current and self.serving and reaper.takes_service:
            self.service_died()
            self.service_falls = True
        own = reaper is self.current and self.serving
        orders, ended = [*reaper.orders.values()], reaper.ended
        reaper.ended = {}
        for run_id in [*reaper.orders]:
            self._drop(reaper, run_id)
        for run_id, code in ended.items():
            self.heard.tell_alone(run_id, code if own else None, wall, REAPER_KILLED)
        for run_id, said in [*reaper.journal.items()]:
            if said.ended is None and run_id not in ended:
                self._orphan(said, mono, wall, own=own)
        if own:
            self.current = FakeReaper()
            self.reapers.append(self.current)
            for order in orders:
                self._give(order, mono, wall)
        self._resolve(mono, wall)

    def thaw(self, reaper: FakeReaper, mono: float, wall: float) -> None:
        """SIGCONT. What its service told it before that one died it reads now, and begins what
        was to begin at once; then it hears that the service is dead."""
        if not reaper.silent:
            return
        reaper.silent = False
        own = reaper is self.current and self.serving
        for run_id, order in [*reaper.orders.items()]:
            if run_id not in reaper.orders:  # it was killed meanwhile
                break
            if order.withdrawn or (order.at is not None and not own):
                self._drop(reaper, run_id)
                if own:
                    self.heard.tell(NotStarted(run_id=run_id, reason=WITHDRAWN))
            elif order.at is None or order.at <= mono:
                self._begin(reaper, order, mono, wall)
        ended, reaper.ended = reaper.ended, {}
        for run_id, code in ended.items():
            self._write_end(reaper, run_id, code, wall)
        for run_id, said in reaper.journal.items():  # it says that it has not the run
            if not said.held and said.ended is None:
                self.heard.tell_alone(run_id, None, wall, NOTHING_SAID)
        self._resolve(mono, wall)

    def host_died(self) -> None:
        """Nothing lives any more, and no reaper had time to write anything."""
        self.service_died()
        for reaper in self.reapers:
            for run_id in [*reaper.orders]:
                self._drop(reaper, run_id)
            self.heard.excused |= {
                run_id for run_id, s in reaper.journal.items() if s.ended is None
            }
            reaper.alive = reaper.silent = False
            reaper.ended = {}
        for run_id in self.alive:
            self.ends[run_id] = (None, 0.0)
        self.alive.clear()
        self._living.clear()
        self.current = FakeReaper()
        self.reapers.append(self.current)

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def next_start(self) -> float | None:
        """When the next process begins that waits for its instant, monotonic."""
        if self.current.silent:
            return None
        return min((o.at for o in self.current.orders.values() if o.at is not None), default=None)

    def settle(self, mono: float, wall: float) -> None:
        """Whatever ends by now has ended, at its own instant, whoever hears of it."""
        while (at := self.first_end()) is not None and at <= mono:
            process = self.alive[heapq.heappop(self._ends)[1]]
            then = wall - (mono - at)
            if at == process.reaper_dies_at:
                process.reaper_dies_at = None
                self.kill(self.given[process.run.id], at, then)
            if at == process.ends_at and process.run.id in self.alive:
                self._end(process, at, then)

    def hear(self, mono: float, wall: float) -> list[Started | NotStarted | Ended]:
        """Begins what has waited long enough; takes out what the service has to hear."""
        if not self.current.silent:
            for run_id, order in [*self.current.orders.items()]:
                # A reaper that is killed on the way leaves the rest to another one.
                if order.at is not None and order.at <= mono and run_id in self.current.orders:
                    self._begin(self.current, order, mono, wall)
        self.settle(mono, wall)
        return self.heard.take()

    # ── beginning ─────────────────────────────────────────────────────────────────────────

    def _give(self, order: Order, mono: float, wall: float) -> None:
        reaper, run_id = self.current, order.run.id
        if order.withdrawn:
            self.heard.tell(NotStarted(run_id=run_id, reason=WITHDRAWN))
            return
        reaper.orders[run_id] = order
        self.given[run_id] = reaper
        self._living[order.run.task] += 1
        if not reaper.silent and (order.at is None or order.at <= mono):
            self._begin(reaper, order, mono, wall)

    def _drop(self, reaper: FakeReaper, run_id: str) -> None:
        self._living[reaper.orders.pop(run_id).run.task] -= 1
        del self.given[run_id]

    def _begin(self, reaper: FakeReaper, order: Order, mono: float, wall: float) -> None:
        run, task = order.run, order.task
        if reaper.dies_at is Step.ORDER:
            self.kill(reaper, mono, wall)
            return
        del reaper.orders[run.id]
        said = reaper.journal[run.id] = Said(run=run, task=task, began=mono)
        refusal = self._behaviour(run.task).refused(run.id)
        if reaper.dies_at is Step.SPAWN or refusal:
            self._living[run.task] -= 1
            self.heard.excused.add(run.id)  # nobody but the reaper knows that no process exists
            if reaper.dies_at is Step.SPAWN:
                self.kill(reaper, mono, wall)
            elif refusal is not None:
                said.held = False
                self.heard.tell(refusal)
            return
        process = self._spawn(run, task, mono, wall)
        if reaper.dies_at is Step.BORN:
            self.kill(reaper, mono, wall)
        else:
            said.pid = process.pid
            self.heard.tell(Started(run_id=run.id, pid=process.pid))

    def _resolve(self, mono: float, wall: float) -> None:
        """What no reaper can begin any more never began: the service starts it itself."""
        silent = any(r.silent for r in self.reapers if r is not self.current)
        for run_id, order in [*self.doubted.items()]:
            if run_id not in self.doubted:  # a reaper was killed over the one before
                continue
            if self.said(run_id) is not None:
                del self.doubted[run_id]
                if order.withdrawn:
                    self.stop(run_id, mono, by_force=False)
            elif not silent:
                del self.doubted[run_id]
                self._give(order, mono, wall)

    # ── ending ────────────────────────────────────────────────────────────────────────────

    def _end(self, process: Process, mono: float, wall: float) -> None:
        run_id, reaper = process.run.id, self.given[process.run.id]
        self._bury(process, mono)
        if process.parent is Parent.INIT:
            self.heard.tell_alone(run_id, None, wall, REAPER_KILLED)
        elif process.parent is Parent.SERVICE:
            self.heard.tell_alone(run_id, process.code, wall, REAPER_KILLED)
        elif reaper.silent or reaper.dies_at is Step.END:
            reaper.ended[run_id] = process.code
            if reaper.silent:
                self.heard.late.add(run_id)
            else:
                self.kill(reaper, mono, wall)
        else:
            self._write_end(reaper, run_id, process.code, wall)

    def _write_end(self, reaper: FakeReaper, run_id: str, code: int | None, wall: float) -> None:
        said = reaper.journal[run_id]
        said.held = False
        if code is None:
            self.heard.tell_alone(run_id, None, wall, REAPER_KILLED)
            return
        said.code, said.ended = code, wall
        self.heard.tell(Ended(run_id=run_id, exit_code=code, at=wall))

    def _orphan(self, said: Said, mono: float, wall: float, *, own: bool) -> None:
        """The reaper of a run that has not ended was killed."""
        process = self.alive.get(said.run.id)
        if own and said.pid is None and process is not None and process.ends_at == mono:
            self._bury(process, mono)  # a zombie, and no line says whose
            process = None
        if process is None:
            self.heard.tell_alone(said.run.id, None, wall, NOTHING_SAID)
            return
        process.parent = Parent.SERVICE if own else Parent.INIT
        if not own:
            self.heard.excused.add(said.run.id)
        if said.pid is None:  # found by its mark
            self.heard.tell(Started(run_id=said.run.id, pid=process.pid))
