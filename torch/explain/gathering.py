"""Gathering what is known of one task around one instant, for `torch explain`.

Owns where each fact comes from: the history first; the service, when it lives, for what lives
only there; the task file only for a task that is not in force here, since it is slow to read.
What follows from the facts is torch/explain/answer.py's.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from torch import zone
from torch.daemon.lock import holder
from torch.definition import from_text
from torch.errors import NotPermitted, NotRunning, ServiceUnreachable, TorchError
from torch.explain import left_behind, placing
from torch.explain.around import around
from torch.explain.evidence import Asked, Definition, Evidence, Gap, Live, Pause, is_near
from torch.history import explaining, query
from torch.history.query import InForce, RunRow
from torch.schedule.expression import Expression
from torch.settings import Settings
from torch.task import Task

_MOST_ROWS = 2000  # of a span that was asked for, such as a day; of more the first are told


class Gathering:
    """Everything about one task; asks each source once."""

    def __init__(self, settings: Settings, name: str, now: float) -> None:
        self._settings = settings
        self._history = settings.history
        self._name = name
        self._now = now
        self._known = self._definitions()
        self.unreachable: TorchError | None = None
        self.service = self._ask()

    def _definitions(self) -> list[InForce]:
        try:
            return query.definitions(self._history, self._name)
        except NotRunning:  # there has never been a service here
            return []

    def _ask(self) -> dict[str, Any]:
        """What the service says of the task; {} without one, or one that does not know it, or
        that does not answer."""
        from torch.client.asking import ask

        try:
            return ask(self._settings, {"do": "task", "task": self._name}, timeout=2)
        except TorchError as error:
            if isinstance(error, NotPermitted | ServiceUnreachable):
                self.unreachable = error
            return {}

    @cached_property
    def alive(self) -> bool:
        return bool(self.service) or holder(self._settings.lock) is not None

    @cached_property
    def current(self) -> Definition:
        return self._definition(len(self._known) - 1)

    @cached_property
    def zone(self) -> str:
        """The task's; the host's where nothing says it."""
        for index in reversed(range(len(self._known))):
            task = self._definition(index).task
            if task is not None and task.schedule:
                return task.timezone
        return zone.current().key

    def _definition(self, index: int) -> Definition:
        """One of those on record; before the first: nothing was in force."""
        known = self._known
        until = known[index + 1].since if index + 1 < len(known) else None
        if index < 0:
            return Definition(task=None, until=until)
        digest, text, since = known[index]
        task = self._task(digest, text) if digest else None
        loaded = query.file_at(self._history, since + 1)
        file = "" if loaded is None else loaded.version[:12]
        if loaded is not None and loaded.commit:
            file += f", commit {loaded.commit}"
        return Definition(
            task=task,
            since=since,
            until=until,
            left=not digest,
            means=_means(task),
            file=file,
            unread=bool(digest) and task is None,
        )

    def _task(self, digest: str, text: str) -> Task | None:
        """The definition; None where another version of torch wrote it, and the file on disk has
        another by now."""
        with contextlib.suppress(ValueError, TorchError):
            if text:
                return from_text(text, parse=Expression.parse)
        found = self._file.task
        return found if found is not None and found.digest == digest else None

    @cached_property
    def _file(self) -> placing.Found:
        return placing.find(self._settings, self._name)

    def at(self, instant: float) -> Definition:
        """The definition in force at an instant: its fires are those after its beginning."""
        index = sum(each.since < instant for each in self._known) - 1
        return self.current if index == len(self._known) - 1 else self._definition(index)

    # ── which fire ────────────────────────────────────────────────────────────────────────

    def evidence(self, asked: Asked | None) -> Evidence:
        """Raises UsageError for a task that nothing knows."""
        first, last = (self._now, self._now) if asked is None else (asked.first, asked.last)
        definition = self.at(last if asked is not None else self._now)
        file = self._file if self.current.task is None else placing.Found()
        if not self._known and file.placement is None:
            run = self._if_there(lambda path: query.find(path, self._name))
            known = self._if_there(query.known_tasks) or []
            of = None if run is None else run.task
            raise placing.unknown(self._settings, self._name, known, file, of)
        # Without a time: what is behind, this second too, and what is ahead.
        split = int(self._now) + 1 if asked is None else asked.first
        previous, following = around(definition, split)
        fire, rows, others = self._choose(asked, previous, following)
        shared = Evidence(
            name=self._name, zone=self.zone, now=self._now, asked=asked, definition=definition,
            current=self.current, fire=fire, previous=previous, next=following, rows=rows,
            others=others, alive=self.alive, live=self._live(), pause=self._pause(),
            placement=file.placement, oldest=self._if_there(explaining.oldest),
        )  # fmt: skip
        if fire is not None and is_near(shared):
            shared = replace(shared, definition=self.at(fire))
        return self._deepen(shared, fire if fire is not None else first)

    def _choose(
        self, asked: Asked | None, previous: int | None, following: int | None
    ) -> tuple[int | None, tuple[RunRow, ...], dict[str, int]]:
        """The fire in question, its rows, and how the fires of the span ended."""
        if asked is None:
            rows = self._nearest(self._now)
            past = [at for at in (previous, *_instants(rows)) if at is not None and at <= self._now]
            if self.current.task is None or not self.current.task.enabled:
                past = []  # it is not in force, or fires nothing: that is the answer
            fire = max(past, default=following)
            return fire, self._rows(fire), {}
        inside = self._in_span(asked)
        if inside:
            ends = {row.fire_time: row for row in inside}  # of each fire its last attempt
            bad = (at for at, row in ends.items() if row.outcome not in (None, "succeeded"))
            fire = next(bad, inside[0].fire_time)
            counts: Counter[str] = Counter()
            for row in ends.values():
                counts[row.outcome or row.state] += row.count
            return fire, self._rows(fire), dict(counts)
        near = [at for row in self._nearest(asked.first)[:1] for at in (_point(row, asked.first),)]
        found = [at for at in (previous, following, *near) if at is not None]
        fire = min(found, key=lambda at: (_distance(at, asked), at), default=None)
        return fire, self._rows(fire), {}

    def _in_span(self, asked: Asked) -> list[RunRow]:
        found = self._if_there(
            lambda path: explaining.in_span(
                path, self._name, asked.first, asked.last, limit=_MOST_ROWS
            )
        )
        return found or []

    def _nearest(self, at: float) -> list[RunRow]:
        return self._if_there(lambda path: query.nearest(path, self._name, at)) or []

    def _rows(self, fire: int | None) -> tuple[RunRow, ...]:
        """The rows of exactly this fire, a collapsed one that stands for it too."""
        rows = [] if fire is None else self._nearest(fire)
        covers = [
            row for row in rows
            if row.fire_time is not None and fire is not None
            and row.fire_time <= fire <= (row.last_fire or row.fire_time)
        ]  # fmt: skip
        return tuple(covers)

    # ── around it ─────────────────────────────────────────────────────────────────────────

    def _deepen(self, e: Evidence, at: float) -> Evidence:
        task = e.definition.task
        if task is not None and task.policy.is_kept and not e.rows:
            runs = self._runs_before(at)
            return replace(
                e, runs=tuple(runs), gap=self._gap(at), outputs=self._outputs(runs[:5]),
                left_behind=self._left_behind(runs),
            )  # fmt: skip
        last = e.rows[-1] if e.rows else None
        holders: list[RunRow] = []
        outcome = ""
        if isinstance(last, RunRow) and last.started_at is None:
            when = last.ended_at if last.ended_at is not None else e.now
            if "max is" in last.reason or last.state == "intent":
                holders = [row for row in self._runs_before(when) if _lived(row, when)]
        if e.previous is not None and not (e.rows and is_near(e)):
            before = self._rows(e.previous)
            outcome = (before[-1].outcome or before[-1].state) if before else ""
        own = [row for row in e.rows if isinstance(row, RunRow)]
        adopted, alone = self._adopted(own)
        return replace(
            e, holders=tuple(h for h in holders if h.id not in {row.id for row in own}),
            previous_outcome=outcome, gap=self._gap(at), outputs=self._outputs(own),
            adopted=adopted, alone=alone, left_behind=self._left_behind(own),
        )  # fmt: skip

    def _runs_before(self, at: float) -> list[RunRow]:
        found = self._if_there(lambda path: explaining.runs_before(path, self._name, at))
        return found or []

    def _gap(self, at: float) -> Gap | None:
        found = self._if_there(lambda path: query.down_at(path, at))
        if found is None or (found.until is None and self.alive):
            return None
        return Gap(since=found.since, until=found.until, how=found.how)

    def _outputs(self, rows: list[RunRow]) -> dict[str, str]:
        paths = {r.id: f"{self._settings.output}/{self._name}/{r.id}.log" for r in rows}
        return {run_id: path for run_id, path in paths.items() if os.path.exists(path)}

    def _left_behind(self, rows: list[RunRow]) -> dict[str, tuple[str, ...]]:
        """What lives on of runs that have ended; only the service can tell."""
        over = {row.id for row in rows if row.started_at is not None and row.ended_at is not None}
        return left_behind.of_runs(self._settings, over) if over and self.service else {}

    def _adopted(self, rows: list[RunRow]) -> tuple[dict[str, float], frozenset[str]]:
        """Runs that one service started and whose end another one saw; and those that ended
        while none lived."""
        found, alone = {}, set()
        for row in rows:
            if row.started_at is None:
                continue
            end = row.ended_at if row.ended_at is not None else self._now
            span = self._if_there(partial(explaining.service_at, at=end))
            if span is not None and span.started > row.started_at:
                found[row.id] = span.started
            elif row.ended_at is not None and span is not None and span.ended is not None:
                alone |= {row.id} if span.ended < row.ended_at else set()
        return found, frozenset(alone)

    def _live(self) -> Live | None:
        if not self.service:
            return None
        task = self.service["task"]
        return Live(
            state=task["state"],
            runs=tuple(run["id"] for run in task["runs"]),
            adopted=frozenset(run["id"] for run in task["runs"] if run["adopted"]),
            refused=self.service["version"]["problem"] or "",
        )

    def _pause(self) -> Pause | None:
        found = self._if_there(lambda path: query.pause_of(path, self._name))
        return None if found is None else Pause(since=found.since, until=found.until)

    def _if_there(self, read: Callable[[str], Any]) -> Any:
        """What the history says; None where there is none."""
        try:
            return read(self._history)
        except NotRunning:
            return None


def _means(task: Task | None) -> str:
    if task is None:
        return ""
    return "; and ".join(s.describe() for s in task.schedule if isinstance(s, Expression))


def _instants(rows: list[RunRow]) -> list[int | None]:
    return [row.last_fire or row.fire_time for row in rows]


def _point(row: RunRow, at: int) -> int | None:
    """The fire of a row that is nearest; of a collapsed one any instant that it covers."""
    if row.fire_time is None or row.last_fire is None:
        return row.fire_time
    return min(max(row.fire_time, at), row.last_fire)


def _distance(at: int, asked: Asked) -> int:
    return max(asked.first - at, at - asked.last, 0)


def _lived(row: RunRow, at: float) -> bool:
    return row.started_at is not None and (row.ended_at is None or row.ended_at >= at)
