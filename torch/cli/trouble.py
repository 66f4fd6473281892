"""What is wrong, in lines that stand above everything else: `torch status` and `torch top`.

Owns which states of a task are trouble, and what counts as trouble of the service itself. A new
kind of trouble goes into `lines`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from torch.cli import show
from torch.report.text import count, harmless
from torch.task import IN_TROUBLE


def is_bad(task: Mapping[str, Any]) -> bool:
    return task["state"] in IN_TROUBLE


def lines(answer: Mapping[str, Any], now: datetime) -> list[str]:
    """What is wrong with the service itself, of its answer to `status`; an older service says
    less."""
    found = []
    if problem := answer["version"]["problem"]:
        found.append(f"the task file on disk is refused: {problem}")
    if waiting := answer["version"].get("waiting"):
        since = show.when(waiting["since"], today=now)
        found.append(
            f"the task file on disk has not been loaded since {since}: {waiting['reason']}"
        )
    if failing := answer.get("history", {}).get("failing"):
        since = show.when(failing["since"], today=now)
        reason = failing["reason"]
        found.append(f"the history cannot be written since {since}; no run starts: {reason}")
    if failing := answer.get("log", {}).get("failing"):
        since = show.when(failing["since"], today=now)
        lost = count(failing["lost"], "line")
        found.append(f"the log cannot be written since {since}; {lost} lost: {failing['reason']}")
    if failing := answer.get("watch", {}).get("failing"):
        since = show.when(failing["since"], today=now)
        reason = failing["reason"]
        found.append(
            f"the task file is not watched since {since}; changes are found late: {reason}"
        )
    for channel in answer.get("alerts", {}).get("channels", []):
        if channel["problem"]:
            since = show.when(channel["failing_since"], today=now)
            waiting = count(channel["waiting"], "message")
            why = channel["problem"]
            failing_since = f"has been failing since {since} ({why})"
            found.append(f"channel {channel['name']} {failing_since}; {waiting} pending")
    return [f"! {harmless(line)}" for line in found]
