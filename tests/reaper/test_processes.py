"""Finding what is of a run, however it hid: with real processes of a real reaper."""

from __future__ import annotations

import os
import resource
import signal

import pytest

from tests.reaper.talking import gone, in_environ, let_go, wait_for
from tests.waiting import until
from torch.reaper import marks, processes
from torch.reaper.processes import Stat, Tie, find, stat, table

HIDE = 'exec 0<&- 1>&- 2>&-; for fd in 3 4 5 6 7 8 9; do eval "exec $fd>&-"; done; '


def tie_of(reaper, run: str) -> Tie:
    said = reaper.journal().runs[run]
    return Tie(said.pid or 0, mark=said.mark, since=said.birth)


def found(reaper, run: str, **keys) -> set[int]:
    name = in_environ(run)
    return {each.pid for each in find({name: tie_of(reaper, run)}, **keys)[name]}


def hidden(reaper, run: str) -> int:
    """The pid that a process of a run has written down."""
    return int(wait_for(reaper.folder / run, "\n"))


HIDING = {
    "in its session": "sh -c 'echo $$ >FILE; exec sleep 600' &",
    "in a group of its own": "set -m; sh -c 'echo $$ >FILE; exec sleep 600' &",
    "in a session of its own": "setsid sh -c 'echo $$ >FILE; exec sleep 600' &",
    "without its environment": "env -i setsid sh -c 'echo $$ >FILE; exec sleep 600' &",
    "by a double fork, without environment and descriptors": (
        f'env -i /bin/sh -c \'{HIDE}(setsid /bin/sh -c "echo \\$\\$ >FILE; exec /bin/sleep 600" &)'
        " & exit 0'"
    ),
}


@pytest.mark.parametrize("how", HIDING)
@pytest.mark.parametrize("after", [False, True])
def test_it_is_found_wherever_it_hides_before_and_after_the_end_of_its_run(reaper, how, after):
    command = HIDING[how].replace("FILE", str(reaper.folder / "r-1"))
    os.mkfifo(reaper.folder / "go")
    reaper.say("r-1", f"{command}\nread line <{reaper.folder}/go; exit 0")
    pid = hidden(reaper, "r-1")
    if after:
        let_go(reaper.folder / "go")
        reaper.talk.hear("ended", "r-1")
    assert pid in found(reaper, "r-1")
    assert reaper.pid not in found(reaper, "r-1", never={reaper.pid})
    assert os.getpid() not in found(reaper, "r-1", never={reaper.pid})


def test_by_its_mark_alone_it_is_found_when_nothing_else_is_known(reaper):
    command = HIDING["without its environment"].replace("FILE", str(reaper.folder / "r-1"))
    reaper.say("r-1", f"{command}\nexit 0")
    reaper.talk.hear("ended", "r-1")
    pid, mark = hidden(reaper, "r-1"), reaper.journal().runs["r-1"].mark
    assert {each.pid for each in find({"x": Tie(0, mark=mark)})["x"]} - {reaper.pid} == {pid}
    assert marks.of(pid) == mark


def test_by_its_environment_alone_it_is_found(reaper):
    file = reaper.folder / "r-1"
    reaper.say("r-1", f"setsid sh -c 'echo $$ >{file}; exec sleep 600' & exit 0")
    reaper.talk.hear("ended", "r-1")
    pid = hidden(reaper, "r-1")
    name = in_environ("r-1")
    assert {each.pid for each in find({name: Tie(0)})[name]} == {pid}


@pytest.mark.parametrize("first", [True, False])
def test_a_name_that_only_ends_like_the_variable_is_not_it(reaper, first):
    file = reaper.folder / "r-1"
    variables = [f"{each}={in_environ('r-9')}" for each in ("X_TORCH_RUN_ID", "A=TORCH_RUN_ID")]
    variables = variables[:: 1 if first else -1]
    reaper.say("r-1", f"env -i {' '.join(variables)} sh -c 'echo $$ >{file}; exec sleep 600' &")
    hidden(reaper, "r-1")
    name = in_environ("r-9")
    assert find({name: Tie(0)})[name] == []


def test_each_process_is_of_one_run_and_all_runs_are_looked_for_at_once(reaper):
    for number in range(5):
        file = reaper.folder / f"r-{number}"
        reaper.say(f"r-{number}", f"env -i setsid sh -c 'echo $$ >{file}; exec sleep 600' & wait")
    pids = {f"r-{number}": hidden(reaper, f"r-{number}") for number in range(5)}
    ties = {run: tie_of(reaper, run) for run in pids}
    seen = find(ties, never={reaper.pid})
    for run, pid in pids.items():
        assert {each.pid for each in seen[run]} == {pid, ties[run].pid}


def test_a_zombie_is_not_found_and_what_it_left_is(reaper):
    file = reaper.folder / "r-1"
    os.mkfifo(reaper.folder / "go")
    child_of = f"(read line <{reaper.folder}/go) & echo $! >{file}"
    reaper.say("r-1", f"{child_of}; exec sleep 600")
    first = reaper.talk.pid("r-1")
    child = hidden(reaper, "r-1")

    def executed():
        seen = stat(first)
        return seen is not None and seen.name == "sleep"

    until("nobody waits for it", executed)
    let_go(reaper.folder / "go")

    def dead():
        seen = stat(child)
        return seen is not None and seen.state == "Z"

    until("it is a zombie", dead)
    assert found(reaper, "r-1") - {reaper.pid} == {first}
    assert gone(child)


def test_nothing_older_than_the_run_is_of_it(reaper):
    """A pid of it may be another's session by now."""
    reaper.say("r-1", "exec sleep 600")
    pid = reaper.talk.pid("r-1")
    seen = stat(pid)
    assert seen is not None
    assert {each.pid for each in find({"x": Tie(pid, since=seen.started)})["x"]} == {pid}
    assert find({"x": Tie(pid, since=seen.started + 1)})["x"] == []


def test_one_that_is_spared_is_not_found_and_its_children_are(reaper):
    file = reaper.folder / "r-1"
    reaper.say("r-1", f"sleep 600 & echo $! >{file}; wait")
    pid, child = reaper.talk.pid("r-1"), hidden(reaper, "r-1")
    seen = find({"x": Tie(pid, spared=True)})["x"]
    assert {each.pid for each in seen} == {child}


def test_among_a_table_ancestry_is_followed_past_zombies_and_stops_at_our_own(monkeypatch):
    monkeypatch.setattr(processes, "_environment", lambda pid, runs: None)
    monkeypatch.setattr(marks, "of", lambda pid: 0)

    def entry(parent: int, session: int, *, started: int = 50, state: str = "S") -> Stat:
        fields = ["0"] * 20
        fields[0], fields[1], fields[2], fields[3] = state, str(parent), str(session), str(session)
        fields[19] = str(started)
        return Stat("x", fields)

    among = {
        10: entry(1, 10, started=1),  # ours
        20: entry(10, 20), 21: entry(20, 21), 22: entry(21, 22, state="Z"), 23: entry(22, 23),
        30: entry(10, 30), 31: entry(30, 31),  # another's
        40: entry(41, 40), 41: entry(40, 41),  # a loop, as a table that is read slowly may show
        50: entry(20, 50, started=5),  # older than the run
    }  # fmt: skip
    ties = {"r": Tie(20, since=50)}
    assert {each.pid for each in find(ties, never={10}, among=among)["r"]} == {20, 21, 23}


def test_a_signal_goes_to_the_process_that_was_found_and_to_no_other_of_its_pid(reaper):
    reaper.say("r-1", "exec sleep 600")
    pid = reaper.talk.pid("r-1")
    (process,) = (each for each in find({"r-1": tie_of(reaper, "r-1")})["r-1"] if each.pid == pid)
    other = processes.Process(pid, process.started + 1, process.group, process.name)
    assert not processes.send(other, signal.SIGKILL)
    assert not gone(pid)
    assert processes.send(process, signal.SIGTERM)
    assert reaper.talk.code("r-1") == 143
    assert not processes.send(process, signal.SIGTERM)


def test_a_name_with_spaces_and_brackets_is_read(reaper):
    reaper.say("r-1", ["/usr/bin/env", "python3", "-c",
               "open('/proc/self/comm','w').write('a) Z (b'); import time; time.sleep(600)"],
               env={"PATH": os.environ["PATH"]})  # fmt: skip
    pid = reaper.talk.pid("r-1")

    def named():
        seen = stat(pid)
        return seen if seen is not None and seen.name == "a) Z (b" else None

    seen = until("it has its name", named)
    assert (seen.parent, seen.session) == (reaper.pid, pid)
    assert seen.state in "RS"


def test_the_table_has_no_kernel_threads_and_us():
    seen = table()
    assert os.getpid() in seen and 2 not in [each.parent for each in seen.values()]


# ── marks ─────────────────────────────────────────────────────────────────────────────────


def test_marks_differ_from_one_to_the_next_and_from_reaper_to_reaper():
    taken = [marks.Marks().take() for _ in range(50)]
    one = marks.Marks()
    taken += [one.take() for _ in range(1000)]
    assert len({*taken}) == len(taken)
    assert all(1 << 62 <= mark < 1 << 63 for mark in taken)


def test_where_the_limit_is_in_use_there_is_no_mark_and_runs_begin_all_the_same(make):
    most = 1 << 40
    reaper = make(front=["/usr/bin/prlimit", f"--rttime={most}:{most}"]).ready()
    reaper.say("r-1", f"env -i sleep 600 & echo $! >{reaper.folder}/r-1; wait")
    pid, child = reaper.talk.pid("r-1"), hidden(reaper, "r-1")
    assert reaper.talk.hear("started", "r-1")[4] == b"0"
    assert resource.prlimit(pid, marks.RTTIME) == (most, most)
    assert found(reaper, "r-1") == {pid, child}


def test_a_process_without_a_mark_has_none():
    assert marks.of(os.getpid()) == 0
    assert marks.of(1 << 22) == 0
