"""kill -9 of the service, its reaper and both at any instant: no run lost, none doubled, no code
wrong."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from tests.faults.conftest import Size
from tests.faults.patient import Patient, kill_hard
from tests.faults.reapers import Fates, earlier, own
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import let_pass, until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
  - name: three
    schedule: "* * * * * *"
    command: '{begin_and_end(3, "sleep 0.3")}'
  - name: seven
    schedule: "*/2 * * * * *"
    command: '{begin_and_end(7)}'
  - name: outlives
    schedule: "* * * * * *"
    max: 2
    command: '{begin_and_end(0, "sleep 2.3")}'
  - name: waits
    schedule: "* * * * * *"
    overlap: queue
    command: '{begin_and_end(3, "sleep 1.4")}'
  - name: by-hand
    schedule: "@yearly"
    max: 3
    command: '{begin_and_end(7, "sleep 0.5")}'
  - name: keeper
    type: daemon
    max: 2
    command: '{BEGIN}; exec sleep 100000'
  - name: mortal
    type: daemon
    restart: {{delay: 100ms, max_delay: 200ms}}
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "three": 1, "seven": 1, "outlives": 2, "waits": 1, "by-hand": 3}
EVERY_SECOND = ["beat", "three", "outlives", "waits"]


def test_a_service_killed_at_any_instant_loses_and_doubles_no_run(service, size, figure):
    _kill_at_random(service, size, figure, quick=6, long=300, whom=("service",))


def test_a_service_and_its_reapers_killed_at_any_instant_lose_and_double_no_run(
    service, size, figure
):
    """A code is unknown only of a run whose reaper was killed and had no service, or that had
    begun and had no process."""
    _kill_at_random(service, size, figure, quick=12, long=600, whom=WHOM)


WHOM = (
    "service", "reaper", "earlier", "reaper", "reaper first", "service first", "both at once",
)  # fmt: skip


def _kill_at_random(
    service: Patient, size: Size, figure: Callable[[str], None], *, quick: int, long: int,
    whom: Sequence[str],
) -> None:  # fmt: skip
    chance = random.Random(size.of(quick=3, long=int(time.time())))
    fates = Fates(service)
    service.start(TASKS)
    service.wait_begun("keeper", 2)
    asked: list[subprocess.Popen[str]] = []
    reloading: list[subprocess.Popen[str]] = []
    while sum(fates.kills.values()) < size.of(quick=quick, long=long):
        if chance.random() < 0.4:
            asked.append(service.popen("run", "by-hand"))
        if chance.random() < 0.2:
            service.write(TASKS + f"# {chance.random()}\n")
            reloading.append(service.popen("reload"))
        let_pass(chance.uniform(0, size.of(quick=0.6, long=0.8)))
        _not_crowded(service)
        _strike(fates, service, chance.choice(whom), chance)
        if chance.random() < 0.3:
            kill_hard(*service.living("mortal"))
        if service.pid:
            continue
        if chance.random() < 0.1:
            let_pass(chance.uniform(1, 3))
        starter = service.begin_start()
        if chance.random() < 0.3:
            let_pass(chance.uniform(0, 0.6))
            _strike(fates, service, chance.choice(whom), chance)
        starter.communicate(timeout=60)
    if not service.pid:
        service.start()
    service.wait_more("beat", "outlives", "waits", more=2)
    _not_crowded(service)
    until("mortal lives", lambda: len(service.living("mortal")) == 1)
    keepers = [line.pid for line in service.begun("keeper")]
    assert len(keepers) == 2 and all(map(alive, keepers))
    for call in reloading:
        call.communicate(timeout=60)
    service.torch("stop")

    rows = service.judge(most=MOST, every_second=EVERY_SECOND, unknown=fates.unknown())
    known = {row["id"] for row in rows}
    for call in asked:
        said = call.communicate(timeout=60)[0].strip()
        assert not said or said in known, f"torch run said {said}, which has no row"
    outcomes = Counter(row["outcome"] for row in rows)
    figure(
        f"kill -9 at random: {fates.kills}, {len(service.witness())} lines, {len(rows)} rows, "
        f"{dict(outcomes)}; 0 doubled, 0 lost, 0 wrong codes"
    )


def _strike(fates: Fates, service: Patient, whom: str, chance: random.Random) -> None:
    if whom == "earlier":
        for pid in earlier(service)[:1]:
            fates.kill_reaper(pid)
        return
    mine = own(service) if whom != "service" else 0
    if whom == "reaper":
        fates.kill_reaper(mine)
    elif whom == "both at once":
        fates.kill_reaper(mine, with_service=True)
    elif whom == "reaper first":
        fates.kill_reaper(mine)
        let_pass(chance.uniform(0, 0.1))
        fates.kill_service()
    else:
        fates.kill_service()
        if whom == "service first":
            let_pass(chance.uniform(0, 0.1))
            fates.kill_reaper(mine)


def _not_crowded(service: Patient) -> None:
    """More runs of a task than its max, for longer than the dying need."""
    most = MOST | {"keeper": 2, "mortal": 1}
    crowd = {task: runs for task, runs in service.live().items() if len(runs) > most[task]}
    for _ in range(5 if crowd else 0):
        let_pass(0.1)
        now = service.live()
        crowd = {task: runs & now[task] for task, runs in crowd.items()}
    assert not any(len(runs) > most[task] for task, runs in crowd.items()), crowd


def _begun(service: Patient, starter: subprocess.Popen[str]) -> bool:
    return bool(service.pid) or starter.poll() is not None


def test_a_service_killed_while_it_recovers_five_times_running_recovers_all(service, size):
    chance = random.Random(size.of(quick=5, long=int(time.time())))
    many = size.of(quick=15, long=100)
    service.start(
        f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: slow
    schedule: "*/3 * * * * *"
    max: 3
    command: '{begin_and_end(0, "sleep 4")}'
  - name: keeper
    type: daemon
    max: {many}
    command: '{BEGIN}; exec sleep 100000'
"""
    )
    service.wait_begun("keeper", many)
    for _ in range(size.of(quick=1, long=20)):
        service.wait_begun("slow", 1)
        service.kill()
        for _ in range(5):
            starter = service.begin_start()
            until("it has begun", partial(_begun, service, starter))
            let_pass(chance.uniform(0.02, 0.2))
            service.kill()
            said = starter.communicate(timeout=60)[1]
            assert starter.returncode == 0 or "exited during startup" in said, said
        service.start()
        service.wait_more("beat")
    keepers = [line.pid for line in service.begun("keeper")]
    assert len(keepers) == many and all(map(alive, keepers))
    service.torch("stop")
    service.judge(most={"beat": 1, "slow": 3}, every_second=["beat"])


def test_a_run_that_ends_while_nobody_looks_has_its_right_code_and_time(service):
    ends = {"zero": "exit 0", "three": "exit 3", "by-signal": "kill -9 $$"}
    service.start(
        "tasks:"
        + "".join(
            f"""
  - name: {name}
    schedule: "@yearly"
    command: |
      {BEGIN}
      while [ ! -e DIR/go ]; do sleep 0.05; done
      echo "$(date +%s.%N)" >>DIR/{name}
      {end}
"""
            for name, end in ends.items()
        )
    )
    runs = {name: service.torch("run", name).strip() for name in ends}
    for name in ends:
        service.wait_begun(name, 1)
    service.kill()
    (service.scratch / "go").touch()
    ended = {name: float(service.wait_lines(name, 1)[0]) for name in ends}
    until("all have ended", lambda: not service.processes())
    until("some time has gone by", lambda: time.time() > max(ended.values()) + 1.2)
    service.start()
    rows = {name: service.wait_row(run) for name, run in runs.items()}
    assert [(r["outcome"], r["exit_code"], r["signal"]) for r in rows.values()] == [
        ("succeeded", 0, None), ("failed", 3, None), ("failed", 137, 9),
    ]  # fmt: skip
    for name, row in rows.items():
        assert abs(service.seconds(row["ended_at"]) - ended[name]) < 1, (row, ended[name])
    service.torch("stop")
    assert service.run_files() == []


def test_a_killed_service_in_front_of_a_person(service):
    """The same pids go on, status and logs show them, kill ends them."""
    service.start(
        f"""
tasks:
  - name: t
    schedule: "@yearly"
    max: 2
    command: |
      {BEGIN}; echo hello
      while [ ! -e DIR/go ]; do sleep 0.05; done; echo bye
      echo "E $TORCH_TASK $TORCH_RUN_ID - 1 $$ 3" >>DIR/witness; exit 3
"""
    )
    one, two = (service.torch("run", "t").strip() for _ in range(2))
    begun = {line.run: line for line in service.wait_begun("t", 2)}
    pids = {line.run: line.pid for line in begun.values()}
    service.kill()
    service.start()
    task = service.task("t")
    assert task["running"] == 2
    assert {run["id"]: run["pid"] for run in task["runs"]} == pids
    assert "max is 2" in service.error("run", "t", code=75)
    assert service.torch("logs", one) == "hello\n"
    service.torch("kill", two)
    assert service.wait_row(two)["outcome"] == "killed"
    assert not alive(begun[two].pid) and alive(begun[one].pid)
    (service.scratch / "go").touch()
    assert service.wait_row(one)["exit_code"] == 3
    assert service.torch("logs", one) == "hello\nbye\n"
    service.torch("stop")
    service.judge(most={"t": 2})


def test_an_adopted_run_keeps_its_timeout(service):
    service.start(
        f"""
tasks:
  - name: t
    schedule: "@yearly"
    timeout: 2s
    grace: 1s
    command: '{BEGIN}; exec sleep 100000'
"""
    )
    run = service.torch("run", "t").strip()
    (begun,) = service.wait_begun("t", 1)
    service.kill()
    service.start()
    assert service.wait_row(run)["outcome"] == "timed_out"
    assert not alive(begun.pid)
    service.torch("stop")
    service.judge(most={"t": 1})


def test_a_stop_that_was_killed_is_finished_by_the_next_service(service):
    """SIGTERM was sent, the service dies, the run ends later: it ends as what it was told."""
    service.start(
        f"""
tasks:
  - name: t
    schedule: "@yearly"
    grace: 10m
    command: |
      {BEGIN}; trap "echo >>DIR/told" TERM
      while [ ! -e DIR/go ]; do sleep 0.05; done; exit 0
"""
    )
    run = service.torch("run", "t").strip()
    service.wait_begun("t", 1)
    service.torch("kill", run)
    service.wait_lines("told", 1)
    os.kill(service.pid, signal.SIGSTOP)  # nothing of its end reaches the history
    (service.scratch / "go").touch()
    until("the run is over", lambda: not service.processes())
    service.kill()
    service.start()
    row = service.wait_row(run)
    assert (row["outcome"], row["exit_code"]) == ("killed", 0)
    service.torch("stop")
