"""torch plan: one host, some, or all; how often, when most, what the clocks will do, for whom."""

from __future__ import annotations

import json
import re

import pytest

from torch import zone
from torch.cli import run
from torch.clock import SystemClock

GOOD = """
groups:
  web: [10.0.1.11, 10.0.1.12]
tasks:
  - name: beat
    schedule: "*/5 * * * * *"
    command: echo beat
  - name: nightly
    schedule: "30 2 * * *"
    command: echo night
    hosts: [web, 10.0.4.0/24, "!10.0.1.12"]
    timezone: Europe/Berlin
  - name: keeper
    type: daemon
    command: sleep 600
    max: 2
  - name: resting
    schedule: "* * * * *"
    command: echo
    enabled: false
  - name: lost
    schedule: "* * * * *"
    command: echo
    hosts: [web, "!10.0.0.0/8"]
"""
NOW = 1_806_138_000.0  # 2027-03-27 09:00 UTC: the clocks go forward in Berlin at 01:00


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("TORCH_FILE", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TORCH_ADDRESS", "10.0.1.11")
    monkeypatch.setattr(SystemClock, "now", lambda _: Reading)


class Reading:
    wall = NOW
    mono = 0.0


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


@pytest.fixture
def plan(file, capsys):
    def plan(*argv: str):
        assert run(["plan", "-f", str(file), *argv]) == 0
        return capsys.readouterr().out

    return plan


def test_the_tasks_of_a_host_and_how_often_they_start(plan):
    found = json.loads(plan("--for", "1h", "--json"))
    tasks = {task["name"]: task for task in found["tasks"]}
    assert list(tasks) == ["beat", "nightly", "keeper", "resting"]
    assert [task["fires"] for task in tasks.values()] == [720, 0, None, 0]
    assert tasks["beat"]["meaning"] == "every 5 seconds"
    assert tasks["keeper"]["meaning"] == "2 kept alive"
    assert tasks["resting"]["meaning"] == "disabled"
    assert found["fires"] == 720


def test_what_other_hosts_own_is_left_out(plan):
    out = plan("--host", "10.9.9.9")
    assert "beat" in out and "nightly" not in out
    assert "on host 10.9.9.9: 3 of 5 tasks, 17 280 starts in 24h" in out


def test_the_busiest_seconds_name_their_tasks_the_rare_ones_first(plan):
    first, second = json.loads(plan("--json"))["busiest"]
    assert (first["starts"], first["seconds"], first["tasks"]) == (2, 1, ["nightly", "beat"])
    assert (second["starts"], second["seconds"], second["tasks"]) == (1, 17_279, ["beat"])


def test_a_change_of_the_clocks_says_what_becomes_of_a_time_in_it(plan):
    (change,) = json.loads(plan("--json"))["changes"]
    assert (change["zone"], change["within"]) == ("Europe/Berlin", True)
    assert change["skipped"] == ["2027-03-28T02:00:00", "2027-03-28T03:00:00"]
    assert [(task["name"], task["becomes"]) for task in change["tasks"]] == [
        ("nightly", "once_after")
    ]
    assert "nightly (30 2 * * *): 02:30:00 is skipped; runs once, at 03:00:00" in plan()


def test_the_next_change_is_told_though_it_lies_after_the_span(plan):
    assert json.loads(plan("--json", "--for", "1h"))["changes"][0]["within"] is False
    autumn = json.loads(plan("--json", "--for", "366d"))["changes"][1]
    assert autumn["repeated"] == ["2027-10-31T02:00:00", "2027-10-31T03:00:00"]
    assert autumn["tasks"][0]["becomes"] == "once_first"


def test_a_task_that_no_host_can_own_is_named(plan):
    assert json.loads(plan("--json"))["nowhere"] == ["lost"]
    assert "tasks that no host can own\n  lost (hosts: web, !10.0.0.0/8)" in plan()


def test_all_hosts_are_columns_and_hosts_with_the_same_tasks_one(plan):
    found = json.loads(plan("--all", "--json"))
    assert [(host["label"], host["fires"]) for host in found["hosts"]] == [
        ("10.0.1.11, 10.0.4.0/24", 17_281),
        ("10.0.1.12, 10.0.0.0/8, every other host", 17_280),
    ]
    owners = {task["name"]: task["hosts"] for task in found["tasks"]}
    assert owners == {
        "beat": [0, 1],
        "nightly": [0],
        "keeper": [0, 1],
        "resting": [0, 1],
        "lost": [],
    }
    assert found["hosts"][0]["busiest"][0]["starts"] == 2


def test_the_matrix_has_a_letter_for_each_column(plan):
    lines = plan("--all").splitlines()
    rows = {line.split()[0]: line.split()[2] for line in lines if line.startswith(("beat", "nig"))}
    assert rows == {"beat": "AB", "nightly": "A."}


def test_some_hosts_can_be_compared(plan):
    found = json.loads(plan("--host", "10.0.4.7", "--host", "10.0.1.12", "--json"))
    assert [(host["addresses"], host["tasks"]) for host in found["hosts"]] == [
        (["10.0.4.7"], ["beat", "nightly", "keeper", "resting"]),
        (["10.0.1.12"], ["beat", "keeper", "resting"]),
    ]


def test_a_plan_of_a_file_without_tasks_says_so(file, plan, capsys):
    file.write_text("tasks: []\n")
    assert run(["plan", "-f", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "0 of 0 tasks" in out
    assert "no tasks for this host" in err
    plan("--all")


def test_no_line_of_a_plan_is_wider_than_a_terminal(file, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    keys = "schedule: '0,15,30,45 2 * * *', command: a, timezone: Europe/Berlin"
    many = "".join(f"  - {{name: task-number-{n}, {keys}}}\n" for n in range(60))
    file.write_text(GOOD + many)
    for argv in ([], ["--all"], ["--for", "366d"]):
        assert run(["plan", "-f", str(file), *argv]) == 0
        lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
        assert len(lines) > 20
        assert [line for line in lines[1:] if len(line) > 80] == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--host", "10.0.0.0/8"], "write a single address"),
        (["--host", "10.0.0.1", "--host", "web"], "'web' is neither an address"),
        (["--host", "10.0.0.1", "--all"], "--all and --host cannot be combined"),
        (["--for", "soon"], "examples: 30m"),
        (["--for", "900d"], "'900d' is more than 366d, the longest"),
        (["--for", "0"], "--for must be at least 1s"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_way_out(file, capsys, argv, words):
    assert run(["plan", "-f", str(file), *argv]) == 64
    assert words in capsys.readouterr().err


def test_the_meaning_names_its_zone_where_the_time_beside_it_is_of_another(plan, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    found = {task["name"]: task for task in json.loads(plan("--json"))["tasks"]}
    assert found["nightly"]["meaning"] == "at 02:30:00 every day"
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setattr(zone, "_current", None)
    found = {task["name"]: task for task in json.loads(plan("--json"))["tasks"]}
    assert found["nightly"]["meaning"] == "at 02:30:00 every day (Europe/Berlin)"
    assert found["beat"]["meaning"] == "every 5 seconds"
    assert "at 02:30:00 every day (Europe/Berlin)" in plan()


def test_a_zone_with_the_same_clock_and_a_period_need_no_zone_beside_them(plan, file, monkeypatch):
    monkeypatch.setenv("TZ", "Etc/UTC")
    file.write_text(GOOD.replace("Europe/Berlin", "UTC").replace("*/5 * * * * *", "@every 5s"))
    assert "UTC" not in plan()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setattr(zone, "_current", None)
    file.write_text(GOOD.replace("30 2 * * *", "@every 5m").replace("*/5 * * * * *", "@reboot"))
    assert "(" not in "".join(line for line in plan().splitlines() if "every 5 minutes" in line)
