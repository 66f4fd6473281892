"""A history in memory. It keeps the promises of `torch.history.store.Store` that the core leans
on (one contract suite checks both): all or nothing, one row a firing, finished rows stay so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from torch.clock import FireTime
from torch.definition import to_text
from torch.run import Ending, Outcome, Run, State
from torch.schedule.record import (
    Defined,
    Delivery,
    Entry,
    Fact,
    Failing,
    File,
    Paused,
    Pausing,
    Posted,
    Progress,
    Rebooted,
    Record,
    Step,
    Trouble,
    Troubling,
    Unsent,
    Watermark,
)
from torch.testing.rows import InForce, Row

AHEAD = 60
STEP_BACK = 3 * 3600


class DiskFull(Exception):
    """What a broken FakeHistory raises: nothing of the records was taken."""


@dataclass(slots=True)
class Batch:
    """What is taken by one commit."""

    at: float
    boot_id: str
    lost: set[str] = field(default_factory=set)  # runs whose firing had a row already


class FakeHistory:
    """Set `broken` to a reason and every commit fails with it, until it is '' again."""

    def __init__(self) -> None:
        self.broken = ""
        self.begin_anew()

    def begin_anew(self) -> None:
        """The file was lost or damaged, and a new one begun: nothing is known."""
        self.rows: dict[str, Row] = {}  # by run id, in the order of recording
        self.in_force: dict[str, list[InForce]] = {}  # each task's definitions, oldest first
        self.texts: dict[str, str] = {}  # by digest
        self.pauses: dict[str, Paused] = {}
        self.files: list[File] = []
        self.posted: dict[tuple[str, str], Posted] = {}  # by notice and channel
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self._troubles: dict[tuple[str, str], Trouble] = {}
        self._unsent: dict[str, Unsent] = {}  # by channel
        self.watermark: FireTime | None = None
        self.rebooted: str | None = None  # the boot whose `@reboot` fires are decided
        self._identities: dict[tuple[str, FireTime, int], str] = {}

    @property
    def definitions(self) -> dict[str, InForce]:
        """The newest of each task."""
        return {task: found[-1] for task, found in self.in_force.items()}

    def commit(self, records: Iterable[Record], *, at: float, boot_id: str = "") -> frozenset[str]:
        """Takes the records; returns the run ids that lost to an earlier row of their firing."""
        if self.broken:
            raise DiskFull(self.broken)
        batch = Batch(at=at, boot_id=boot_id)
        for record in records:
            for fact in record.facts:
                WRITERS[type(fact)](self, fact, batch)
        return frozenset(batch.lost)

    # ── what a new service asks ───────────────────────────────────────────────────────────

    def decided(self, at: float | None = None) -> dict[str, tuple[str, FireTime]]:
        """Task -> (digest of its last definition, up to where its fires are decided)."""
        found = {}
        mark = self.watermark
        for task, newest in self.definitions.items():
            pause = self.pauses.get(task)
            if pause is not None:
                until = max(newest.since, pause.since)
            else:
                fires = [
                    fire for name, fire, _ in self._identities
                    if name == task and (mark is None or fire <= mark + AHEAD)
                ]  # fmt: skip
                until = max(newest.since, mark or FireTime(0), *fires)
            if at is not None and until > at + STEP_BACK:
                until = FireTime(int(at))
            found[task] = (newest.digest, until)
        return found

    def unfinished(self) -> list[Row]:
        """Runs that no end is recorded for, in the order of recording; a Row has all that the
        real history's Unfinished has."""
        found = [row for row in self.rows.values() if row.state is not State.FINISHED]
        for row in found:
            row.definition = self.texts.get(row.digest)
        return found

    def paused(self) -> dict[str, Paused]:
        return dict(self.pauses)

    def owed(self) -> tuple[Posted, ...]:
        """Notices that nobody knows to have been sent, oldest first."""
        owed = [p for key, p in self.posted.items() if key not in self.deliveries]
        return tuple(sorted(owed, key=lambda p: p.notice.at))

    def unsent(self) -> tuple[Unsent, ...]:
        """The channels that fail, by name."""
        return tuple(self._unsent[name] for name in sorted(self._unsent))

    def troubles(self) -> tuple[Trouble, ...]:
        return tuple(self._troubles[key] for key in sorted(self._troubles))

    def newest_ends(self, tasks: Iterable[str]) -> dict[str, tuple[Run, Ending, float]]:
        """Each task's newest run that has ended, how and when; not skipped, not missed."""
        wanted, found = set(tasks), {}
        for row in self.rows.values():
            ran = row.outcome not in (None, Outcome.SKIPPED, Outcome.MISSED)
            if ran and row.run.task in wanted and row.ending and row.ended_at is not None:
                found[row.run.task] = (row.run, row.ending, row.ended_at)
        return found

    def is_recorded(self, run_ids: Iterable[str]) -> set[str]:
        return self.rows.keys() & set(run_ids)

    # ── writing ───────────────────────────────────────────────────────────────────────────

    def enter(self, entry: Entry, batch: Batch) -> None:
        if not self._insert_rest(entry, batch.at, batch.boot_id):
            batch.lost.add(entry.run.id)

    def advance(self, progress: Progress, batch: Batch) -> None:
        if progress.run.id not in batch.lost:
            self._advance(progress, batch.at, batch.boot_id)

    def pause(self, pausing: Pausing, _: Batch) -> None:
        if pausing.pause is None:
            self.pauses.pop(pausing.task, None)
        else:
            self.pauses[pausing.task] = pausing.pause

    def load(self, file: File, _: Batch) -> None:
        if [file] != self.files[-1:]:
            self.files.append(file)

    def trouble(self, troubling: Troubling, _: Batch) -> None:
        self._troubles.pop((troubling.task, troubling.kind), None)
        if troubling.trouble is not None:
            self._troubles[troubling.task, troubling.kind] = troubling.trouble

    def post(self, posted: Posted, _: Batch) -> None:
        self.posted.setdefault((posted.notice.id, posted.channel), posted)

    def deliver(self, delivery: Delivery, _: Batch) -> None:
        self.deliveries.setdefault((delivery.notice, delivery.channel), delivery)

    def fail(self, failing: Failing, _: Batch) -> None:
        self._unsent.pop(failing.channel, None)
        if failing.unsent is not None:
            self._unsent[failing.channel] = failing.unsent

    def mark(self, watermark: Watermark, _: Batch) -> None:
        self.watermark = watermark.at

    def reboot(self, _: Rebooted, batch: Batch) -> None:
        self.rebooted = batch.boot_id

    def _insert_rest(self, entry: Entry, at: float, boot_id: str) -> bool:
        """A collapsed row begins with the first of its fires that has no row."""
        rest: Entry | None = entry
        while rest is not None:
            if self._insert(rest, at, boot_id):
                return True
            rest = rest.shorter()
        return False

    def _insert(self, entry: Entry, at: float, boot_id: str) -> bool:
        ending = entry.ending
        same = self.rows.get(entry.run.id)
        alike = same is not None and ending is not None and same.outcome is ending.outcome
        if same is not None and alike and 1 < entry.count >= same.count:  # it has grown
            same.count, same.last = entry.count, entry.last
            return True
        if same is not None and same.state is not State.FINISHED:
            same.digest = same.digest or entry.digest
            if same.state is State.INTENT:
                same.not_before = entry.not_before
            return True
        row = Row(
            entry.run, State.FINISHED if ending else State.INTENT, ending, entry.count,
            entry.last, ended_at=at if ending else None, recorded_at=at, boot_id=boot_id,
            not_before=entry.not_before, digest=entry.digest,
        )  # fmt: skip
        return self._keep(row)

    def _keep(self, row: Row) -> bool:
        run = row.run
        if run.id in self.rows:
            return False
        if run.fire_time is not None:
            owner = self._identities.setdefault((run.task, run.fire_time, run.attempt), run.id)
            if owner != run.id:
                return False
        self.rows[run.id] = row
        return True

    def _advance(self, progress: Progress, at: float, boot_id: str) -> None:
        """A row that was lost with an earlier file is made anew; a finished one stays."""
        row = self.rows.get(progress.run.id)
        if row is None:
            row = Row(progress.run, State.INTENT, recorded_at=at, boot_id=boot_id)
            if not self._keep(row):
                return
            row.pid, row.started_at = progress.pid, progress.started_at
        if row.state is State.FINISHED:
            return
        match progress.step:
            case Step.OFFERED:
                row.not_before, row.boot_id = None, boot_id
                row.digest = progress.digest or row.digest
            case Step.STARTED:
                if row.state is not State.STOPPING:
                    row.state = State.RUNNING
                row.not_before, row.started_at = None, progress.at
                row.due = row.due if progress.due is None else progress.due
                row.pid = progress.pid if progress.pid is not None else row.pid
            case Step.STOPPING:
                row.state, row.fate = State.STOPPING, progress.ending
                if row.stopping_at is None:
                    row.stopping_at = progress.at
            case Step.ENDED:
                row.state, row.fate, row.ended_at = State.FINISHED, None, progress.at
                row.ending = progress.ending or Ending(outcome=Outcome.UNKNOWN)
                row.usage = progress.usage
                if progress.never_began:
                    row.pid = row.started_at = None

    def define(self, definition: Defined, _: Batch) -> None:
        task, since = definition.task, definition.since
        digest = task.digest if task is not None else ""
        rows = self.in_force.setdefault(definition.name, [])
        if rows and since < rows[-1].since:
            rows[:] = [row for row in rows if row.since < since]
        elif rows and rows[-1].digest == digest:
            return
        elif rows and rows[-1].since == since:
            rows.pop()
        rows.append(InForce(since, digest))
        if task is not None and digest not in self.texts:
            self.texts[digest] = to_text(task)


WRITERS: dict[type[Fact], Callable[[FakeHistory, Any, Batch], None]] = {
    Entry: FakeHistory.enter,
    Progress: FakeHistory.advance,
    Defined: FakeHistory.define,
    Pausing: FakeHistory.pause,
    File: FakeHistory.load,
    Troubling: FakeHistory.trouble,
    Posted: FakeHistory.post,
    Delivery: FakeHistory.deliver,
    Failing: FakeHistory.fail,
    Watermark: FakeHistory.mark,
    Rebooted: FakeHistory.reboot,
}
"""Each type of fact, and what takes it; as torch.history.facts has it."""
