"""A child process beside the service, whatever becomes of it: one suite for all of them.

The children are small programs that misbehave in one way each; time is one that tests move.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.daemon.timing import FakeTime
from torch.daemon import matcher, notifier, process, reader, sidecar
from torch.daemon.process import Form, Process, ask
from torch.daemon.sidecar import Pace, Sidecar
from torch.event import Event, PartFailed, PartRecovered

DEADLINE = 30.0
PACE = Pace(again=5, again_most=40, beat=20, deaf=3, linger=30)

LINK = """
import json, sys
for line in sys.stdin:
    said = json.loads(line)
    if "ping" in said:
        print(json.dumps({"pong": said["ping"]}), flush=True)
    else:
        print(json.dumps({"took": said["number"]}), flush=True)
print(json.dumps({"took": "the end"}), flush=True)
"""
"""A link to elsewhere, as small as it can be: it takes numbers, and says which it took."""

HANGS = "import signal\nwhile True: signal.pause()\n"
DEAF_TO_SIGTERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SAYS = "import sys, signal\nsys.stdout.write({text!r}); sys.stdout.flush()\n"
FAILS = "import sys\nsys.exit('no module named greenstalk')\n"
ENDLESS_LINE = "import os\nwhile True: os.write(1, b'x' * 65536)\n"
LEAVES_A_HEIR = """
import subprocess, sys
heir = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
sys.stdout.write('{"took": %d}\\n' % heir.pid)
"""


class Owner:
    """Wants each number to be taken; knows which were."""

    def __init__(self) -> None:
        self.wanted: list[int] = []
        self.taken: list[object] = []
        self.briefs = 0
        self.always = False  # needed, with something to take or without

    def brief(self):
        self.briefs += 1
        return [{"number": each} for each in self.wanted]

    def hear(self, said) -> None:
        self.taken.append(said["took"])
        with contextlib.suppress(ValueError):
            self.wanted.remove(said["took"])

    def is_needed(self) -> bool:
        return self.always or bool(self.wanted)


class Stage:
    def __init__(self, folder: Path, program: str) -> None:
        self._file = folder / "child.py"
        self.play_as(program)
        self.owner = Owner()
        self.time = FakeTime()
        self.events: list[Event] = []
        form = Form(argv=(sys.executable, "-I", str(self._file)), errors=True)
        self.sidecar = Sidecar(
            form, part="the link", owner=self.owner, tell=self.events.append, pace=PACE,
            sleep=self.time.sleep,
        )  # fmt: skip

    def play_as(self, program: str) -> None:
        """The next process is this one."""
        self._file.write_text(program)

    def want(self, *numbers: int) -> None:
        for number in numbers:
            self.owner.wanted.append(number)
            self.sidecar.feed({"number": number})

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE):
            while not (found := condition()):
                await asyncio.sleep(0.01)
            return found

    def pids(self) -> list[int]:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            found = [int(pid) for pid in file.read().split()]
        return [pid for pid in found if str(self._file).encode() in command(pid)]

    async def pid(self):
        return (await self.until(self.pids))[0]

    async def until_beating(self) -> None:
        """The process was told its part, and its first beat is awaited."""
        await self.until(lambda: PACE.beat in self.time.waits())

    async def beat(self) -> None:
        await self.until_beating()
        await self.time.go(PACE.beat)

    def failures(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, PartFailed)]


def command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def play(folder, program, scene):
    async def go():
        fds = set(os.listdir("/proc/self/fd"))
        stage = Stage(folder, program)
        try:
            await scene(stage)
        finally:
            await stage.sidecar.close()
        await asyncio.sleep(0)
        assert stage.pids() == []
        assert len(asyncio.all_tasks()) == 1
        assert set(os.listdir("/proc/self/fd")) <= fds
        return stage

    return asyncio.run(go())


@pytest.fixture
def impatient(monkeypatch):
    """A child that will not end is waited for a moment only."""
    monkeypatch.setattr(sidecar, "MOMENT", 0.1)


# ── used, and not used ────────────────────────────────────────────────────────────────────


def test_what_is_not_used_costs_no_process_no_task_and_no_timer(tmp_path):
    async def scene(stage):
        stage.sidecar.feed({"number": 1})  # nothing of it is needed
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        assert stage.time.waits() == []

    play(tmp_path, LINK, scene)


def test_what_it_is_told_it_hears_in_order_and_its_answers_are_heard(tmp_path):
    async def scene(stage):
        stage.want(1, 2)
        await stage.until_beating()
        stage.want(3, 4)
        await stage.until(lambda: len(stage.owner.taken) == 4)
        assert stage.owner.taken == [1, 2, 3, 4]
        assert stage.owner.briefs == 1

    assert play(tmp_path, LINK, scene).events == []


def test_one_that_answers_is_left_alone_however_long_it_is_needed(tmp_path):
    async def scene(stage):
        stage.owner.always = True
        stage.want(1)
        first = await stage.pid()
        await stage.until(lambda: stage.owner.taken)
        for _ in range(20):
            await stage.beat()
            await stage.until(lambda: stage.sidecar._heard)
        assert stage.pids() == [first]

    assert play(tmp_path, LINK, scene).events == []


def test_it_ends_when_nothing_is_needed_for_a_while_and_comes_back_when_it_is(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sidecar, "MOMENT", DEADLINE)

    async def scene(stage):
        stage.want(1)
        await stage.until(lambda: stage.owner.taken)
        await stage.time.go(PACE.linger)
        await stage.until(lambda: not stage.pids())
        await stage.until(lambda: stage.owner.taken == [1, "the end"])
        await stage.until(lambda: len(asyncio.all_tasks()) == 1)
        stage.want(2)
        await stage.until(lambda: stage.owner.taken[2:] == [2])

    assert play(tmp_path, LINK, scene).events == []


def test_what_is_wanted_while_it_ends_is_told_to_another_one_at_once(tmp_path):
    async def scene(stage):
        stage.want(1)
        await stage.until(lambda: stage.owner.taken)
        first = await stage.pid()
        os.kill(first, signal.SIGSTOP)
        await stage.time.go(PACE.linger)  # it is told to end, and cannot hear it
        stage.want(2)
        os.kill(first, signal.SIGCONT)
        await stage.until(lambda: 2 in stage.owner.taken)

    assert play(tmp_path, LINK, scene).events == []


# ── what goes wrong ───────────────────────────────────────────────────────────────────────


def test_one_that_never_starts_is_tried_again_each_time_twice_as_late(tmp_path):
    async def scene(stage):
        stage.sidecar._form = Form(argv=(str(tmp_path / "nowhere"),))
        stage.want(1)
        for wait in (5, 10, 20, 40, 40):
            await stage.until(lambda wait=wait: stage.time.waits() == [wait])
            await stage.time.go(wait - 0.5)
            assert stage.time.waits() == [0.5]
            await stage.time.go(0.5)
        await stage.until(lambda: len(stage.failures()) == 6)

    stage = play(tmp_path, LINK, scene)
    assert stage.failures()[0] == (
        "its process could not be started: No such file or directory; it will be restarted in 5 s"
    )


def test_one_that_exits_at_once_says_why_and_what_it_was_told_is_told_again(tmp_path):
    async def scene(stage):
        stage.want(1)
        await stage.until(stage.failures)
        stage.play_as(LINK)
        stage.want(2)  # while nobody is there
        await stage.time.go(5)
        await stage.until(lambda: stage.owner.taken == [1, 2])

    stage = play(tmp_path, FAILS, scene)
    assert stage.events == [
        PartFailed(
            part="the link",
            reason="its process ended with exit code 1: no module named greenstalk; "
            "it will be restarted in 5 s",
        ),
        PartRecovered(part="the link"),
    ]


def test_a_process_that_was_killed_is_followed_by_another(tmp_path):
    async def scene(stage):
        stage.owner.always = True
        stage.want(1)
        await stage.until(lambda: stage.owner.taken)
        os.kill(await stage.pid(), signal.SIGKILL)
        await stage.until(stage.failures)
        stage.want(2)
        await stage.time.go(5)
        await stage.until(lambda: 2 in stage.owner.taken)

    stage = play(tmp_path, LINK, scene)
    assert stage.failures() == ["its process was ended by SIGKILL; it will be restarted in 5 s"]


def test_deaths_after_a_long_life_begin_again_with_the_shortest_wait(tmp_path):
    async def scene(stage):
        stage.owner.always = True
        stage.play_as(FAILS)
        stage.want(1)
        for wait in (5, 10):
            await stage.until(lambda wait=wait: stage.time.waits() == [wait])
            stage.play_as(FAILS if wait == 5 else LINK)
            await stage.time.go(wait)
        for _ in range(PACE.deaf):
            await stage.until(lambda: stage.sidecar._heard)
            await stage.beat()
        os.kill(await stage.pid(), signal.SIGKILL)
        await stage.until(lambda: stage.time.waits() == [5])

    play(tmp_path, LINK, scene)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("program", [HANGS, DEAF_TO_SIGTERM + HANGS], ids=["hangs", "ignores"])
def test_one_that_hangs_is_ended_after_three_beats_without_a_word(tmp_path, program):
    async def scene(stage):
        stage.want(1)
        for _ in range(PACE.deaf):
            assert stage.failures() == []
            await stage.beat()
        await stage.until(stage.failures)
        assert stage.pids() == []
        stage.play_as(LINK)
        await stage.time.go(5)
        await stage.until(lambda: stage.owner.taken == [1])

    stage = play(tmp_path, program, scene)
    assert stage.failures() == ["its process did not answer for 60 s; it will be restarted in 5 s"]


@pytest.mark.usefixtures("impatient")
def test_one_that_is_stopped_is_noticed_and_replaced(tmp_path):
    async def scene(stage):
        stage.owner.always = True
        stage.want(1)
        await stage.until(lambda: stage.owner.taken)
        os.kill(await stage.pid(), signal.SIGSTOP)
        while not stage.failures():
            await stage.until(stage.time.waits)
            if PACE.beat in stage.time.waits():
                await stage.time.go(PACE.beat)
        stage.want(2)
        await stage.time.go(5)
        await stage.until(lambda: 2 in stage.owner.taken)

    assert "did not answer for 60 s" in play(tmp_path, LINK, scene).failures()[0]


def test_time_in_which_the_service_itself_did_nothing_is_one_beat(tmp_path):
    async def scene(stage):
        stage.owner.always = True
        stage.want(1)
        first = await stage.pid()
        await stage.until(lambda: stage.owner.taken)
        os.kill(first, signal.SIGSTOP)
        await stage.time.go(100_000)  # as after a night's suspend: one timer is over, no more
        os.kill(first, signal.SIGCONT)
        await stage.until(lambda: stage.sidecar._heard)
        await stage.beat()
        assert stage.pids() == [first]

    assert play(tmp_path, LINK, scene).events == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("what is this?\n", "wrote output that is not valid"),
        ("[1, 2]\n", "wrote output that is not valid"),
        ('{"took": }\n', "wrote output that is not valid"),
        ('{"gave": 1}\n', "wrote output that is not valid"),
        ("[" * 100_000 + "\n", "wrote output that is not valid"),
        ("\0\ud83d\n".encode("utf-8", "replace").decode(), "wrote output that"),
        ("x" * (process.LONGEST * 2), "wrote a line that is too long"),
    ],
    ids=["text", "list", "broken", "other keys", "deep", "bytes", "long"],
)
def test_one_that_writes_rubbish_is_ended_and_started_again(tmp_path, text, why):
    async def scene(stage):
        stage.want(1)
        await stage.until(stage.failures)
        stage.play_as(LINK)
        await stage.time.go(5)
        await stage.until(lambda: stage.owner.taken == [1])

    assert why in play(tmp_path, SAYS.format(text=text) + HANGS, scene).failures()[0]


def test_half_a_line_of_one_that_died_is_not_heard(tmp_path):
    async def scene(stage):
        stage.want(7)
        await stage.until(stage.failures)
        assert stage.owner.taken == [6]

    stage = play(tmp_path, SAYS.format(text='{"took": 6}\n{"took": 7'), scene)
    assert stage.failures() == ["its process ended with exit code 0; it will be restarted in 5 s"]


def test_a_line_that_comes_in_halves_is_heard_once_and_whole(tmp_path):
    halves = "\nsys.stdin.readline()\n".join(
        SAYS.format(text=half) for half in ('{"to', 'ok": 7}\n{"took"', ": 8}\n")
    )

    async def scene(stage):
        stage.want(1)
        await stage.until(lambda: stage.owner.taken)
        await stage.until(lambda: len(stage.owner.taken) == 2)
        assert stage.owner.taken == [7, 8]

    play(tmp_path, halves + HANGS, scene)


def test_while_one_floods_everything_else_has_its_turn(tmp_path):
    lines = 20_000
    flood = SAYS.format(text='{"took": 1}\n' * lines)

    async def scene(stage):
        stage.want(1)
        await stage.until(lambda: stage.owner.taken)
        turns = [len(stage.owner.taken)]
        while len(stage.owner.taken) < lines:
            await asyncio.sleep(0)
            turns.append(len(stage.owner.taken))
        assert max(b - a for a, b in itertools.pairwise(turns)) <= 2 * sidecar._SLICE

    play(tmp_path, flood + HANGS, scene)


@pytest.mark.usefixtures("impatient")
def test_one_whose_pipe_is_full_holds_nobody_up_and_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "MOST_UNREAD", 100_000)

    async def scene(stage):
        stage.want(1)
        await stage.until_beating()
        stage.want(*range(2, 20_000))  # no turn of the loop, and no end of the memory
        assert stage.sidecar._process.unread < 200_000
        await stage.until(stage.failures)
        stage.play_as(LINK)
        await stage.time.go(5)
        await stage.until(lambda: not stage.owner.wanted)
        assert sorted(stage.owner.taken) == [*range(1, 20_000)]

    assert "did not read its input" in play(tmp_path, HANGS, scene).failures()[0]


def test_a_long_first_part_is_no_full_pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "MOST_UNREAD", 1000)

    async def scene(stage):
        stage.owner.wanted = [*range(20_000)]
        stage.want(20_000)
        await stage.until(lambda: len(stage.owner.taken) == 20_001)

    assert play(tmp_path, LINK, scene).events == []


def test_one_that_ends_is_noticed_though_another_holds_its_pipes(tmp_path, monkeypatch):
    async def scene(stage):
        stage.want(1)
        (heir,) = await stage.until(lambda: stage.owner.taken)
        try:
            await stage.until(stage.failures)
        finally:
            os.kill(heir, signal.SIGKILL)

    monkeypatch.setattr(sidecar, "MOMENT", 0.1)
    assert "exit code 0" in play(tmp_path, LEAVES_A_HEIR, scene).failures()[0]


@pytest.mark.usefixtures("impatient")
def test_one_that_closes_its_output_and_goes_on_is_ended(tmp_path):
    async def scene(stage):
        stage.want(1)
        await stage.until(stage.failures)
        assert stage.pids() == []

    stage = play(tmp_path, "import os\nos.close(1)\n" + HANGS, scene)
    assert "closed its output" in stage.failures()[0]


def test_a_fault_of_its_owner_is_told_and_is_not_the_end_of_it(tmp_path):
    async def scene(stage):
        good, stage.owner.brief = stage.owner.brief, lambda: 1 / 0
        stage.want(1)
        await stage.until(stage.failures)
        assert stage.pids() == []
        stage.owner.brief = good
        await stage.time.go(5)
        await stage.until(lambda: stage.owner.taken == [1])

    assert "ZeroDivisionError" in play(tmp_path, LINK, scene).failures()[0]


def test_one_that_is_no_longer_needed_when_its_wait_is_over_stays_away(tmp_path):
    async def scene(stage):
        stage.want(1)
        await stage.until(stage.failures)
        stage.owner.wanted.clear()
        await stage.time.go(5)
        await stage.until(lambda: len(asyncio.all_tasks()) == 1)
        assert stage.owner.briefs == 1

    play(tmp_path, FAILS, scene)


# ── the end of the service ────────────────────────────────────────────────────────────────


def test_when_the_service_ends_it_is_heard_out(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "MOMENT", DEADLINE)

    async def scene(stage):
        stage.want(1, 2)
        await stage.until_beating()

    assert play(tmp_path, LINK, scene).owner.taken == [1, 2, "the end"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("program", [HANGS, DEAF_TO_SIGTERM + HANGS], ids=["hangs", "ignores"])
def test_one_that_hangs_does_not_outlive_the_service(tmp_path, program):
    async def scene(stage):
        stage.want(1)
        await stage.until_beating()

    assert play(tmp_path, program, scene).events == []  # and `play` finds no process


def test_the_end_of_the_service_waits_for_no_back_off(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "MOMENT", DEADLINE * 10)

    async def scene(stage):
        stage.want(1)
        await stage.until(lambda: stage.time.waits() == [5])

    play(tmp_path, FAILS, scene)


def test_nothing_is_started_once_the_service_ends(tmp_path):
    async def scene(stage):
        await stage.sidecar.close()
        stage.want(1)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    play(tmp_path, LINK, scene)


# ── one that lives for one answer ─────────────────────────────────────────────────────────


def answer_of(folder, program, order=b"", *, within=DEADLINE, most=1000, grace=0.1):
    file = folder / "child.py"
    file.write_text(program)

    async def go():
        fds = set(os.listdir("/proc/self/fd"))
        form = Form(argv=(sys.executable, "-I", str(file)))
        answer = await ask(form, order, within=within, most=most, grace=grace)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        assert set(os.listdir("/proc/self/fd")) <= fds
        return answer

    return asyncio.run(go())


def test_one_order_has_one_answer(tmp_path):
    program = "import sys\nprint(sys.stdin.read()[::-1])\nsys.exit(3)\n"
    answer = answer_of(tmp_path, program, b"order")
    assert (answer.output, answer.code) == (b"redro\n", 3)


@pytest.mark.parametrize("program", [HANGS, DEAF_TO_SIGTERM + HANGS, ENDLESS_LINE])
def test_an_answer_that_does_not_come_or_does_not_end_is_given_up(tmp_path, program):
    answer = answer_of(tmp_path, program, within=1.0)
    assert (answer.output, answer.code) == (b"", None)


def test_one_that_does_not_read_a_long_order_is_heard_all_the_same(tmp_path):
    answer = answer_of(tmp_path, SAYS.format(text="no"), b"x" * 2**20)
    assert (answer.output, answer.code) == (b"no", 0)


def test_an_answer_counts_though_another_process_holds_the_pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_DRAIN", 0.2)
    answer = answer_of(tmp_path, LEAVES_A_HEIR)
    os.kill(int(answer.output.split()[1].strip(b"}")), signal.SIGKILL)
    assert answer.code == 0


def test_one_that_cannot_be_started_is_an_error(tmp_path):
    form = Form(argv=(str(tmp_path / "nowhere"),))
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(ask(form, b"", within=1))


def test_whoever_is_broken_off_leaves_no_process(tmp_path):
    async def scene(stage):
        form = stage.sidecar._form
        asking = asyncio.create_task(ask(form, b"", within=DEADLINE, grace=0.1))
        await stage.pid()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    play(tmp_path, DEAF_TO_SIGTERM + HANGS, scene)


def test_a_stopped_one_is_ended_for_certain_and_so_is_what_it_started(tmp_path):
    async def scene(stage):
        started = await Process.start(stage.sidecar._form)
        heir = int((await started.output.readline()).split()[1].strip(b"}"))
        os.kill(await stage.pid(), signal.SIGSTOP)
        await started.end(0.1)
        assert started.code == -signal.SIGKILL
        await stage.until(lambda: not command(heir))

    waits = "sys.stdout.flush()\nimport signal\nsignal.pause()\n"
    play(tmp_path, DEAF_TO_SIGTERM + LEAVES_A_HEIR + waits, scene)


# ── the children of the house ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", [matcher.SEARCH], ids=lambda form: form.argv[-1])
def test_each_that_lives_for_long_answers_a_ping_and_ends_with_its_input(form):
    async def go():
        started = await Process.start(form)
        try:
            started.write(b'{"ping": 7}\n')
            async with asyncio.timeout(DEADLINE):
                assert await started.output.readline() == b'{"pong": 7}\n'
                started.close_input()
                await started.exited
            assert started.code == 0
        finally:
            await started.end(0)

    asyncio.run(go())


@pytest.mark.parametrize(
    "form", [matcher.SEARCH, notifier.SENDER, reader.READER], ids=lambda form: form.argv[-1]
)
def test_nothing_of_the_callers_python_reaches_any_of_them(form):
    assert form.argv[:3] == (sys.executable, "-I", "-m")
