"""What variables say of the history's size and of reports."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from torch.errors import SettingsError
from torch.settings import Settings, resolve


def resolved(**environ: str) -> Settings:
    return resolve({"HOME": "/home/a", **environ}, uid=1000)


def test_ninety_days_and_a_million_rows_are_kept():
    found = resolved()
    assert (found.history_days, found.history_rows) == (90, 1_000_000)


def test_variables_say_how_much_is_kept():
    found = resolved(TORCH_HISTORY_DAYS="7", TORCH_HISTORY_ROWS="5000")
    assert (found.history_days, found.history_rows) == (7, 5000)


def test_an_empty_variable_is_no_variable():
    assert resolved(TORCH_HISTORY_DAYS="").history_days == 90


@pytest.mark.parametrize("text", ["0", "-1", "90d", "1.5", "٣", "9" * 30, "36501"])
def test_days_that_cannot_be_are_refused_with_the_range(text):
    with pytest.raises(SettingsError, match=r"TORCH_HISTORY_DAYS .* from 1 to 36500") as caught:
        resolved(TORCH_HISTORY_DAYS=text)
    assert caught.value.hint == "unset it for 90"


def test_fewer_than_a_thousand_rows_are_refused():
    with pytest.raises(SettingsError, match="from 1000 to"):
        resolved(TORCH_HISTORY_ROWS="999")


def test_the_service_reports_every_five_minutes_or_as_told_or_never():
    assert resolved().report_every == 5
    assert resolved(TORCH_REPORT_EVERY="60").report_every == 60
    assert resolved(TORCH_REPORT_EVERY="0").report_every == 0


@pytest.mark.parametrize("text", ["5m", "-1", "1441"])
def test_a_report_is_asked_for_in_minutes_of_a_day(text):
    with pytest.raises(SettingsError, match=r"TORCH_REPORT_EVERY .* from 0 to 1440"):
        resolved(TORCH_REPORT_EVERY=text)


def test_settings_go_through_json_whole():
    found = resolved(TORCH_HISTORY_ROWS="5000")
    through: dict[str, Any] = json.loads(json.dumps(found.as_dict()))
    assert Settings(**through) == found


@pytest.mark.parametrize("address", ["::ffff:10.0.0.1", "::FFFF:a00:1", "10.0.0.1"])
def test_an_ipv4_mapped_address_is_the_ipv4_address_in_it(address):
    assert resolve({"HOME": "/home/a"}, uid=1000, address=address).address == "10.0.0.1"
    assert resolved(TORCH_ADDRESS=address).address == "10.0.0.1"


@pytest.mark.parametrize("name", ["task_file", "state_dir", "run_dir", "log_dir"])
def test_a_path_that_is_not_utf8_is_refused_and_shown_safely(name):
    with pytest.raises(SettingsError) as refused:
        resolve({}, uid=0, **{name: os.fsdecode(b"/tmp/x/\xff\xfe")})
    assert refused.value.message == r"the path '/tmp/x/\xff\xfe' is not UTF-8"
    assert "--state-dir" in refused.value.hint
