"""The facts about cron on which public test tables and an engine that follows Debian agree.

`start` is exclusive, `expected` the following fire times in order. `null` comes from a table of
activations: the instant after `start` is not a fire time.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from torch.schedule.expression import Expression

TABLE = Path(__file__).parent / "conformance" / "expressions.json"
CASES: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{n}:{case['expr']}@{case['tz']}" for n, case in enumerate(CASES)]
)
def test_the_next_fires_are_those_of_the_table(case: dict[str, Any]) -> None:
    expression = Expression.parse(case["expr"], timezone=case["tz"])
    start = datetime.fromisoformat(case["start"])
    if case["expected"] is None:
        fire = expression.next_after(start)
        assert fire is not None
        assert fire.astimezone(UTC) != start.astimezone(UTC) + timedelta(seconds=1)
        return
    if case["expected"] == []:
        assert expression.next_after(start) is None
        return
    for expected in case["expected"]:
        fire = expression.next_after(start)
        assert fire is not None
        assert fire.isoformat() == expected
        start = fire
