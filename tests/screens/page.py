"""docs/screens.md: how it is written, read, and compared.

Owns what two nights may differ in: the seconds, pids and run ids, what the host has to do, and
how often the consumer has died meanwhile. All else is the page's, to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.screens.stage import FLEET

PAGE = Path(__file__).parents[2] / "docs" / "screens.md"

SCREENS = {
    "torch status": "Failing tasks first, with the last lines of their output.",
    "torch top": "Active runs, refreshed every two seconds, with their progress.",
    "torch runs": "Recorded runs and their outcome; filter them with `--failed`, `--since 24h` and "
    "more.",
    "torch explain import-feed": "Why a task did not run, and what would change that.",
    "torch explain sync-orders": "A pending retry.",
    "torch notify history": "The messages that were sent, and those that are pending.",
    "torch plan": "The tasks of this host; `--host 10.0.4.7` shows another.",
    "torch plan --all": "The whole fleet: each column of letters is a kind of host.",
    "torch diff -f tasks.yaml": "In the repository, after an edit: what it changes, and what a "
    "reload would do to active runs.",
    "torch check tasks.yaml": "A file with errors: all of them are listed, nothing is changed.",
}
"""Command -> what the page says of it, in the order in which they stand there."""

_HEAD = """\
# Screens

One host of a small fleet, shortly after 03:30: a backup has failed, a sync will be retried, an
import hangs, a daemon task is crash-looping, and a digest is paused.

tmux took each screen from a real terminal of 80 columns, with a real service; a few of them scroll.
`make screens` takes them again, and a test fails if one has changed. A time zone made for the test
sets the hour; nothing else is simulated.

The task file:
"""


def write(shown: Mapping[str, str]) -> str:
    """The whole page."""
    parts = [_HEAD, f"```yaml\n{FLEET.read_text(encoding='utf-8')}```".replace("DIR", "/srv/feed")]
    for command, words in SCREENS.items():
        parts.append(f"\n## {command}\n\n{words}\n\n```console\n$ {command}\n{shown[command]}```")
    return "\n".join(parts) + "\n"


def read(text: str) -> dict[str, str]:
    """Command -> screen, of a page that was written by `write`."""
    return dict(re.findall(r"^```console\n\$ (.+)\n((?:.*\n)*?)```$", text, re.MULTILINE))


_LOOSE = (
    (r"\([0-9a-f]{12}\)", "(COMMIT)"),  # the first: it may look like any of the others
    (r"\b\d{4}-\d\d-\d\d\b", "DATE"),
    (r"\b(\d\d-\d\d )?\d\d:\d\d(:\d\d)?\b", "TIME"),
    (r"\b[a-z0-9]{8}-\d+\b", "RUN"),
    (r"\b\d+(\.\d+)? (ms|s)\b|\b(\d+[dhms]){2,}", "SPAN"),
    (r"\bpid \d+\b", "pid N"),
)
_OF_THE_HOST = (
    (r"\bload [\d. ]+", "load N "),
    (r"\bcpu (-|\d+ %)", "cpu N"),
    (r"\b\d+(\.\d+)? [KMG]iB\b", "SIZE"),
    (r"(?<=RUN  )\d+\b", "PID"),
    (r"\b\d+ times\b", "N times"),
    (r"(?<=  )\d+ %", "N %"),
    (r"restart, attempt \d+", "restart, attempt N"),
)


def normal(command: str, screen: str) -> str:
    """What is the same in every night."""
    screen = re.sub(r"(?<=\S) {2,}", "  ", screen)  # as wide as what is not the same
    for pattern, word in (*_LOOSE, *(_OF_THE_HOST if command == "torch top" else ())):
        screen = re.sub(pattern, word, screen)
    if command.startswith("torch explain"):  # where its lines break hangs on what is as wide
        screen = " ".join(screen.split())
    if command == "torch runs":  # the newest first: how often the consumer died moves all others
        lines = screen.splitlines()
        screen = "\n".join([lines[0], *sorted(set(lines[1:]))])
    return screen
