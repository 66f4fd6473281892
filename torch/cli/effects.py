"""What a reload does to live runs, in words: for `torch reload` and `torch diff` alike.

Owns the sentences; which run comes to what is the service's answer to a dry run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.report.text import count

_WORDS = {
    "goes_on": ("continues unchanged", "continue unchanged"),
    "replaced": ("is replaced by a new one",
                 "are replaced one by one, each when the one before is healthy"),
    "stopped": ("is stopped", "are stopped"),
    "stopping": ("is already stopping", "are already stopping"),
    "given_up": ("is cancelled", "are cancelled"),
    "waits_on": ("keeps waiting", "keep waiting"),
}  # fmt: skip
"""Of one, and of several."""

_WAITS = ("given_up", "waits_on")
QUIET = ("goes_on", "waits_on", "stopping")
"""What a reload leaves as it is."""


def lines(runs: Iterable[dict[str, Any]]) -> list[str]:
    """'web: 2 active runs are replaced one by one, …', in the order in which they are told."""
    alike: dict[tuple[str, str, str], int] = {}
    for run in runs:
        key = (run["task"], run["becomes"], run["reason"])
        alike[key] = alike.get(key, 0) + 1
    return [_line(*key, number) for key, number in alike.items()]


def _line(task: str, becomes: str, reason: str, number: int) -> str:
    what = count(number, "waiting run" if becomes in _WAITS else "active run")
    words = _WORDS.get(becomes, (becomes, becomes))[number > 1]
    why = f" ({reason})" if reason and becomes != "replaced" else ""
    return f"{task}: {what} {words}{why}"
