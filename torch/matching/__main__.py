"""`python -I -m torch.matching`: follows output files and says which lines match what.

Owns its pace. Orders come on standard input, one JSON object a line:
`{"run", "task", "path", "patterns": [[text, offset], …]}` follows a file from then on (without
patterns: no longer), `{"run", "complete": true, "cut"}` says that it will not grow any more, and
how many bytes it lost at its head. Finds go to standard output:
`{"task", "run", "pattern", "lines", "count", "offset"}`, at most one a second for each pattern of
a run; `{"run", "over": true}` says that a complete file was looked at to its end. A `{"ping"}` is
answered with `{"pong"}`, which is also said unasked while there is much to read. The process ends
when its input does: with the service. It runs at a low priority, so that no task waits for
it, and what a hostile output could do is done to it and not to the service.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable
from typing import Any

from torch.clock import Clock, SystemClock
from torch.matching.following import Following
from torch.matching.patterns import BadPattern, Pattern

PACE = 0.5
"""Seconds between two looks at files that do not grow."""

SAYING = 1.0
"""Seconds between two finds of one pattern that are said: what is found meanwhile is counted."""

SHOWN = 2.0
"""Seconds between two signs of life in a round."""

ROUND = 16
"""Pieces of one file before the others have their turn."""


class Rounds:
    def __init__(self) -> None:
        self._files: dict[str, Following] = {}
        self._complete: set[str] = set()
        self._tasks: dict[str, str] = {}
        self._known: dict[str, Pattern] = {}
        self._said_at: dict[tuple[str, str], float] = {}

    def order(self, line: bytes) -> None:
        wanted: dict[str, Any] = json.loads(line)
        if "ping" in wanted:
            say(pong=wanted["ping"])
            return
        run = wanted["run"]
        if wanted.get("complete"):
            if run in self._files:
                self._complete.add(run)
                if wanted.get("cut"):
                    self._files[run].cut(wanted["cut"])
            else:
                say(run=run, over=True)
            return
        old = self._files.pop(run, None)
        if old is not None:
            old.close()
        patterns = {}
        for text, offset in wanted["patterns"]:
            try:
                pattern = self._known.get(text) or Pattern(text)
            except BadPattern:
                continue  # the task file that had it was refused by `check`
            self._known[text] = pattern
            patterns[pattern] = offset
        if patterns:
            self._files[run] = Following(wanted["path"], patterns)
            self._tasks[run] = wanted["task"]

    def go(
        self, mono: float, *, last: bool = False, between: Callable[[], None] = lambda: None
    ) -> bool:
        """One round over all files; True: at least one has more to be read right away. `last`:
        of those that are complete, and what was found is said at once. `between` two pieces."""
        more = False
        for run, file in list(self._files.items()):
            complete = run in self._complete
            if last and not complete:
                continue
            goes_on = False
            for _ in range(ROUND):
                goes_on = file.read_on(complete=complete)
                between()
                if not goes_on:
                    break
            over = complete and not goes_on
            self._say(run, file, mono, all_of_them=over)
            more = more or goes_on
            if over:
                say(run=run, over=True)
                file.close()
                for text in file.patterns:
                    self._said_at.pop((run, text), None)
                del self._files[run], self._tasks[run]
                self._complete.discard(run)
        return more

    def _say(self, run: str, file: Following, mono: float, *, all_of_them: bool) -> None:
        for text, find in list(file.finds.items()):
            if all_of_them or mono - self._said_at.get((run, text), -SAYING) >= SAYING:
                say(
                    task=self._tasks[run], run=run, pattern=text, lines=find.lines,
                    count=find.count, offset=find.offset,
                )  # fmt: skip
                self._said_at[run, text] = mono
                del file.finds[text]

    @property
    def idle(self) -> bool:
        return not self._files


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


class Alive:
    """Says so, now and then, while a round is too long for a ping to be read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said_at = clock.now().mono

    def show(self) -> None:
        mono = self._clock.now().mono
        if mono - self._said_at >= SHOWN:
            self._said_at = mono
            say(pong=0)


def main() -> None:
    os.set_blocking(0, False)
    rounds, clock = Rounds(), SystemClock()
    alive = Alive(clock)
    rest = b""
    more = False
    while True:
        wait = 0 if more else None if rounds.idle else PACE
        ready, _, _ = select.select([0], [], [], wait)
        if ready:
            data = os.read(0, 65_536)
            if not data:
                while rounds.go(clock.now().mono, last=True, between=alive.show):
                    pass
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                rounds.order(line)
        more = rounds.go(clock.now().mono, between=alive.show)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
