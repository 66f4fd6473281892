"""torch top: one frame, and what the process trees of runs use."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from torch.cli.terminal.columns import width
from torch.cli.top.board import Host, Seen, bar, frame
from torch.client import usage
from torch.client.usage import Looks, Process, Usage, measured, trees
from torch.clock import rfc3339
from torch.reaper import processes

NOW = 1_800_000_000.0
HOST = Host(name="box", load=(0.5, 0.25, 0.125), cpu=12.0, used=2 * 2**30, total=8 * 2**30)


def task(name: str, *runs: dict[str, object], state: str = "running", **keys) -> dict[str, object]:
    return {
        "name": name, "type": "cron", "state": state, "max": 1, "put_off": None, "last": None,
        "next": None, "schedule": ["* * * * *"], "runs": [*runs],
    } | keys  # fmt: skip


def live(run_id: str, age: float, pid: int = 7) -> dict[str, object]:
    started = rfc3339(NOW - age, milliseconds=True)
    return {"id": run_id, "pid": pid, "state": "running", "started_at": started}


def seen(*tasks: dict[str, object], **keys) -> Seen:
    summary = {"tasks": 9, "runs": 2, "failing": 1, "paused": 0, "next": None}
    answer = {
        "pid": 7, "since": rfc3339(NOW - 100), "stopping": False, "address": "10.0.0.1",
        "version": {"problem": None}, "history": {"failing": None}, "summary": summary,
        "tasks": [*tasks],
    }  # fmt: skip
    now = datetime.fromtimestamp(NOW).astimezone()
    return Seen(answer=answer, host=HOST, now=now, **keys)


def drawn(found: Seen, *, room: int = 80, height: int = 24) -> list[str]:
    return frame(found, room=room, height=height, colour=False)


def failed() -> dict[str, object]:
    at = rfc3339(NOW - 60)
    return {"run": "r1", "outcome": "failed", "exit_code": 3, "reason": "", "ended_at": at}


def test_the_head_says_how_the_host_is():
    lines = drawn(seen())
    assert lines[0] == "torch is running on box as 10.0.0.1, pid 7, for 1m40s"
    assert lines[1].endswith("load 0.50 0.25 0.12  cpu 12 %  memory 2.0 GiB of 8.0 GiB")
    assert lines[2] == "9 tasks, 2 active runs, 1 failing"


def test_the_head_says_how_late_the_newest_starts_were():
    found = seen()
    late = {"starts": 100, "median_ms": 0.8, "max_ms": 2.5}
    said = Seen(answer={**found.answer, "lateness": late}, host=HOST, now=found.now)
    assert drawn(said)[2].endswith("starts at most 2.5 ms late")


def test_troubled_tasks_stand_above_what_runs_and_the_next_starts_below():
    put_off = {"at": rfc3339(NOW + 5), "for": "restart", "attempt": 2}
    text = "\n".join(drawn(seen(
        task("up", live("r2", 3.0), next=rfc3339(NOW + 60)),
        task("loop", state="crash-looping", last=failed(), put_off=put_off),
        task("came-down", state="restarting", put_off=put_off),
    )))  # fmt: skip
    loop, up, following = (text.index(word) for word in ("crash-looping", "r2", "NEXT"))
    assert loop < up < following
    assert re.search(r"exit code 3 at \S+; restart ", text)
    assert "restart, attempt 2" in text[following:]


@pytest.mark.parametrize(
    ("age", "shown"),
    [(0.0, "[        ]   0 %"), (5.0, "[===>    ]  50 %"), (10.0, "[=======>] 100 %"),
     (25.0, "[=======!] 250 %"), (300.0, "[=======!] 30 times")],
)  # fmt: skip
def test_a_runs_progress_is_its_age_against_what_is_usual(age, shown):
    (line,) = [x for x in drawn(seen(task("a", live("r1", age)), usual={"a": 10.0})) if "r1" in x]
    assert shown in line


def test_without_a_success_nothing_is_usual():
    assert "no successful run yet" in "\n".join(drawn(seen(task("a", live("r1", 1.0)))))


def test_a_daemon_task_shows_how_often_it_came_back():
    said = task("d", live("r1", 90.0), type="daemon")
    assert "2 restarts in 24 h" in "\n".join(drawn(seen(said, starts={"d": 3})))
    assert "restart" not in "\n".join(drawn(seen(said, starts={"d": 1})))


def test_processor_and_memory_are_those_of_the_run():
    used = Usage(cpu=None, seconds=5.0, memory=3 * 2**20, count=2)
    first = "\n".join(drawn(seen(task("a", live("r1", 10.0)), usage={7: used})))
    assert "50 %" in first and "3.0 MiB" in first
    later = Usage(cpu=1.5, seconds=9.0, memory=0, count=2)
    assert "150 %" in "\n".join(drawn(seen(task("a", live("r1", 10.0)), usage={7: later})))


@pytest.mark.parametrize("height", [6, 10, 24, 50])
def test_a_frame_fits_its_screen_whatever_there_is(height):
    tasks = [task("备" * 20 + str(n), live(f"tou12345-{n}", n), next=rfc3339(NOW + n))
             for n in range(60)]  # fmt: skip
    bad = [task("x" * 60 + str(n), state="failing", last=failed()) for n in range(9)]
    lines = drawn(seen(*tasks, *bad), height=height)
    assert len(lines) <= height
    assert max(map(width, lines)) <= 80
    if height >= 24:
        assert any(line.endswith("more runs") for line in lines)
        assert "and 4 more: torch status" in lines


def test_a_bar_is_as_wide_as_its_column():
    assert {len(bar(share / 4, 8)) for share in range(9)} == {10}


# ── process trees ─────────────────────────────────────────────────────────────────────────


def of(parent: int, session: int, seconds: float = 1.0) -> Process:
    return Process(parent=parent, session=session, seconds=seconds, memory=100)


def test_a_runs_tree_is_its_session_and_all_that_descends_from_it():
    table = {
        10: of(1, 10), 11: of(10, 10), 12: of(11, 12), 13: of(1, 10), 14: of(12, 12),
        20: of(1, 20), 30: of(1, 1),
    }  # fmt: skip
    found = trees(table, {10, 20, 99})
    assert {pid: sorted(members) for pid, members in found.items()} == {
        10: [10, 11, 12, 13, 14], 20: [20], 99: [],
    }  # fmt: skip


def test_a_name_with_spaces_and_brackets_hides_no_field():
    text = "12 (a) b (c) S 3 4 5 0 -1 0 0 0 0 0 150 50 20 30 20 0 1 0 99 9999 7 0"
    split = processes.split(text)
    assert split is not None
    name, fields = split
    assert name == "a) b (c"
    found = measured(fields)
    assert (found.parent, found.session) == (3, 5)
    assert found.seconds * usage._CLOCK == 250
    assert found.memory == 7 * usage._PAGE


def test_the_processor_is_what_was_used_since_the_look_before(monkeypatch):
    tables = [{10: of(1, 10, 5.0)}, {10: of(1, 10, 6.0), 11: of(10, 10, 2.0)}, {10: of(1, 10, 1.0)}]
    monkeypatch.setattr(usage, "read", lambda _: tables.pop(0))
    looks = Looks()
    assert looks.look({10}, 100.0)[10].cpu is None
    assert looks.look({10}, 102.0)[10].cpu == 1.5
    assert looks.look({10}, 104.0)[10].cpu == 0.0  # what was used by a child that left


def test_on_a_host_of_many_processes_only_the_known_ones_are_read_in_between(monkeypatch):
    asked: list[int] = []

    def read(pids) -> dict[int, Process]:
        asked.append(len([*pids]))
        return {10: of(1, 10)}

    monkeypatch.setattr(usage, "read", read)
    monkeypatch.setattr("os.listdir", lambda _: [str(n) for n in range(1000)])
    looks = Looks()
    for at in range(4):
        looks.look({10}, float(at))
    assert asked == [1000, 1, 1, 1000]
    looks.look({10, 11}, 9.0)
    assert asked[-1] == 1000  # a run that is new is looked for
