"""Which runs' output is searched for which patterns, and from where on.

Owns what was asked for last of each run. The patterns are those of the task as it is now, not as
it was when the run started: an edit of `alert_on` restarts nothing. Must not know files or
regular expressions. A run that ended is forgotten here; whoever searches reads its output to the
end first.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch.event import Event, RunAdopted, RunEnded, RunNotStarted, RunStarted
from torch.run import Run
from torch.schedule.alerting import Alerts
from torch.schedule.answer import Answer
from torch.schedule.commands import Watch
from torch.schedule.live import LiveRuns
from torch.schedule.state import States
from torch.schedule.troubles import MATCHED


class Watching:
    def __init__(self, states: States, live: LiveRuns, alerts: Alerts) -> None:
        self._states = states
        self._live = live
        self._alerts = alerts
        self._asked: dict[str, tuple[str, ...]] = {}  # run id -> patterns

    def hear(self, events: Sequence[Event], answer: Answer) -> None:
        for event in events:
            if isinstance(event, RunStarted | RunAdopted):
                self._look(event.run, answer, begins=True)
            elif isinstance(event, RunEnded | RunNotStarted):
                self._asked.pop(event.run.id, None)

    def loaded(self, answer: Answer) -> None:
        """A file is in force: its patterns are."""
        for live in self._live.all():
            if live.started is not None:
                self._look(live.run, answer, begins=False)

    def _look(self, run: Run, answer: Answer, *, begins: bool) -> None:
        """`begins`: of what a live run wrote before a pattern was there nobody is told."""
        state = self._states.get(run.task)
        patterns = tuple(alert.pattern for alert in state.task.alert_on) if state else ()
        before = self._asked.get(run.id, ())
        if self._live.get(run.id) is None or patterns == before:
            return
        self._asked[run.id] = patterns
        known = {trouble.kind: trouble for trouble in self._alerts.of(run.task)}
        wanted = []
        for pattern in patterns:
            trouble = known.get(f"{MATCHED} {pattern}")
            seen = 0 if begins or pattern in before else -1
            if trouble is not None:
                seen = dict(trouble.seen).get(run.id, seen)
            wanted.append((pattern, seen))
        answer.watch(Watch(run=run, patterns=tuple(wanted)))
