"""Whatever JSON is sent to the control socket: it is answered, and what fits no request refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from torch.clock import SystemClock
from torch.daemon.control import Control
from torch.daemon.request_fields import FIELDS, require_valid
from torch.daemon.requests import Requests

GOOD: dict[str, dict[str, Any]] = {
    "status": {"soonest": 0, "brief": True, "left_behind": False},
    "left_behind": {},
    "task": {"task": "a"},
    "names": {},
    "next": {"task": "a", "count": 5},
    "file": {},
    "reload": {"dry_run": True, "file": "/etc/tasks.yaml"},
    "stop": {"mode": "drain"},
    "run": {"task": "a", "wait": False},
    "kill": {"target": "a", "by_force": True},
    "pause": {"task": "a", "until": 1.5},
    "resume": {"task": "a"},
}
WRONG = {
    "true": '"1e999" "NaN" "-Infinity" "-1" "x" "[]" "{}"',
    "text": "true 1 1e999 NaN [] {}",
    "number": '1e999 NaN -Infinity true "x" [1] {}',
    "whole": '1e999 NaN -1 1.5 true "x" [1] {}',
    "path": 'true 1 1e999 [] {} "x" "" "/\\u0000" "/\\ud800"',
}
KINDS = {
    "soonest": "whole", "brief": "true", "left_behind": "true", "task": "text", "count": "whole",
    "dry_run": "true", "file": "path", "mode": "text", "wait": "true", "target": "text",
    "by_force": "true", "until": "number",
}  # fmt: skip


def answers(*lines: str) -> list[dict[str, Any]]:
    """Of a service that has nothing: a request that is not refused by its fields is a fault."""
    faults: list[object] = []

    async def ask() -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
        control = Control("", of_nothing().answer)
        return [await control._one(line.encode()) for line in lines]

    said = asyncio.run(ask())
    for each in said:
        json.dumps(each)
        each["faults"] = faults
    return said


def of_nothing() -> Requests:
    return Requests(
        loop=cast(Any, None), loader=cast(Any, None), clock=SystemClock(), address="", unit=None,
        failing={},
    )  # fmt: skip


def test_every_request_has_its_fields_and_a_good_one_passes():
    assert set(FIELDS) == set(GOOD) == set(of_nothing()._known)
    for name, fields in GOOD.items():
        assert set(FIELDS[name]) == set(fields)
        assert require_valid({"do": name, **fields}) == name
        optional = {key: None for key, field in FIELDS[name].items() if not field.needed}
        assert require_valid({"do": name, **fields, **optional}) == name


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, fields in GOOD.items() for key in fields]
)
def test_a_field_of_a_wrong_type_or_range_is_a_usage_error(name, key):
    for value in WRONG[KINDS[key]].split(" "):
        others = {k: v for k, v in GOOD[name].items() if k != key}
        line = json.dumps({"do": name, **others})[:-1] + f', "{key}": {value}}}'
        (said,) = answers(line)
        assert (said["ok"], said["exit_code"]) == (False, 64), (line, said)
        assert f"'{key}'" in said["error"] and f"'{name}'" in said["error"], said
        assert said["faults"] == []


@pytest.mark.parametrize("name", GOOD)
def test_a_field_that_a_request_does_not_have_is_a_usage_error(name):
    (said,) = answers(json.dumps({"do": name, **GOOD[name], "colour": 1}))
    assert (said["ok"], said["exit_code"]) == (False, 64)
    assert said["error"] == f"the request '{name}' has no field 'colour'"


@pytest.mark.parametrize("name", [name for name in GOOD if any(
    field.needed for field in FIELDS[name].values())])  # fmt: skip
def test_a_request_without_what_it_needs_is_a_usage_error(name):
    (said,) = answers(json.dumps({"do": name}))
    assert (said["exit_code"], "needs the field" in said["error"]) == (64, True)


@pytest.mark.parametrize("do", ['"dance"', "[]", "{}", "1e999", "null", '["status"]'])
def test_a_request_that_is_not_known_is_a_usage_error(do):
    (said,) = answers(f'{{"do": {do}}}')
    assert (said["exit_code"], said["error"].startswith("unknown request '")) == (64, True)


def test_a_request_that_meets_a_fault_is_answered_and_the_fault_told():
    (said,) = answers('{"do": "names"}')
    assert (said["ok"], said["exit_code"]) == (False, 70)
    assert len(said["faults"]) == 1
