"""The thread that reads what runs print, with real FIFOs and a real reaper."""

from __future__ import annotations

import errno
import os
import select

import pytest

from tests.reaper.talking import let_go, wait_for
from tests.waiting import DEADLINE, until
from torch.reaper.output import Output
from torch.reaper.pump import Pump, Source


class Pumped:
    """A pump in this process, and what it has told."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.pump = Pump()
        self.told: list[tuple[str, str, int, int, str]] = []
        self.sources: dict[str, Source] = {}

    def add(self, run: str, *, most: int = 1 << 20) -> int:
        """The writing end."""
        os.mkfifo(self.fifo(run))
        self.read(run, most=most)
        until("it is open", lambda: self.sources[run].ready)
        return os.open(self.fifo(run), os.O_WRONLY)

    def read(self, run: str, *, most: int = 1 << 20, path: str | None = None, **keys) -> Source:
        path = str(self.fifo(run)) if path is None else path
        output = Output(str(self.path(run)), most, direct=not path)
        source = self.sources[run] = Source(run, path, output, **keys)
        self.pump.add(source)
        return source

    def fifo(self, run: str):
        return self.folder / f"fifo-{run}"

    def path(self, run: str):
        return self.folder / "output" / "t" / f"{run}.log"

    def hear(self, what: str, run: str) -> tuple[str, str, int, int, str]:
        def heard() -> tuple[str, str, int, int, str] | None:
            while self.pump.told:
                word, source, count, size, reason = self.pump.told.popleft()
                self.told.append((word, source.run, count, size, reason))
            return next((each for each in self.told if each[:2] == (what, run)), None)

        return until(f"{what} {run}", heard)


@pytest.fixture
def pumped(tmp_path):
    return Pumped(tmp_path)


def test_what_is_written_into_a_fifo_is_in_its_file_and_closed_when_the_last_writer_is(pumped):
    writing = pumped.add("r-1")
    second = os.dup(writing)
    os.write(writing, b"one\n")
    os.close(writing)
    wait_for(pumped.path("r-1"), "one\n")
    assert not select.select([pumped.pump.event], [], [], 0)[0]
    os.write(second, b"two\n")
    os.close(second)
    assert pumped.hear("closed", "r-1") == ("closed", "r-1", 0, 8, "")
    assert pumped.path("r-1").read_text() == "one\ntwo\n"
    assert pumped.fifo("r-1").exists()  # to be used again
    assert select.select([pumped.pump.event], [], [], DEADLINE)[0]


def test_closed_says_how_much_was_cut_off_and_is_left(pumped):
    writing = pumped.add("r-1", most=64 << 10)
    for _ in range(64):
        os.write(writing, b"x" * 4096)
    os.close(writing)
    _, _, cut, size, _ = pumped.hear("closed", "r-1")
    assert size == pumped.path("r-1").stat().st_size
    assert cut == 64 * 4096 - size > 0


def test_drained_means_that_all_before_it_is_in_the_file(pumped):
    writing = pumped.add("r-1")
    for number in range(200):
        os.write(writing, b"%d\n" % number)
        pumped.told.clear()
        pumped.pump.ask("drain", pumped.sources["r-1"])
        pumped.hear("drained", "r-1")
        assert pumped.path("r-1").read_text().endswith(f"{number}\n")
    os.close(writing)


def test_one_that_is_closed_is_drained_at_once_and_closed_once(pumped):
    os.close(pumped.add("r-1"))
    pumped.hear("closed", "r-1")
    for what in ("end", "drop", "drain"):
        pumped.pump.ask(what, pumped.sources["r-1"])
    pumped.hear("drained", "r-1")
    assert [what for what, *_ in pumped.told] == ["closed", "drained"]


@pytest.mark.parametrize("direct", [False, True])
def test_what_never_began_is_dropped_and_that_is_its_last_word(pumped, direct):
    if direct:
        pumped.read("r-1", path="")
    else:
        os.mkfifo(pumped.fifo("r-1"))
        pumped.read("r-1")
    for what in ("drop", "end", "drain"):
        pumped.pump.ask(what, pumped.sources["r-1"])
    pumped.hear("drained", "r-1")
    assert [what for what, *_ in pumped.told] == ["dropped", "drained"]
    assert direct or _nobody_reads(pumped.fifo("r-1"))


def _nobody_reads(fifo) -> bool:
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def test_a_fifo_that_was_taken_away_is_closed_when_its_run_has_ended(pumped):
    source = pumped.read("r-1")
    until("it cannot be opened", lambda: source.ready)
    assert source.problem == os.strerror(errno.ENOENT)
    assert not pumped.pump.told
    pumped.pump.ask("end", source)
    assert pumped.hear("closed", "r-1") == ("closed", "r-1", 0, 0, "")


def test_where_too_many_files_are_open_it_is_opened_later_and_nothing_is_lost(pumped, monkeypatch):
    os.mkfifo(pumped.fifo("r-1"))
    held = os.open(pumped.fifo("r-1"), os.O_RDONLY | os.O_NONBLOCK)  # as the thread that spawns
    real = os.open
    full = True

    def crowded(path, *more):
        if full and path == str(pumped.fifo("r-1")):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *more)

    monkeypatch.setattr("torch.reaper.pump.os.open", crowded)
    source = pumped.read("r-1")
    until("it cannot be opened", lambda: source.problem)
    assert not source.ready
    writing = real(pumped.fifo("r-1"), os.O_WRONLY)
    os.write(writing, b"words\n")
    os.close(writing)
    pumped.pump.ask("end", source)
    full = False
    assert pumped.hear("closed", "r-1") == ("closed", "r-1", 0, 6, "")
    os.close(held)
    assert pumped.path("r-1").read_text() == "words\n"


def test_what_cannot_be_kept_is_told_with_its_number_and_reason_and_the_writer_goes_on(pumped):
    (pumped.folder / "output").write_text("a file where the folder should be\n")
    writing = pumped.add("r-1")
    os.write(writing, b"x" * 100)
    os.close(writing)
    pumped.hear("closed", "r-1")
    assert pumped.hear("lost", "r-1") == ("lost", "r-1", 100, 0, "Not a directory")


def test_many_fifos_at_once_lose_nothing(pumped):
    writers = {f"r-{number}": pumped.add(f"r-{number}") for number in range(100)}
    for number in range(50):
        for fd in writers.values():
            os.write(fd, b"line %d\n" % number)
    for fd in writers.values():
        os.close(fd)
    wanted = b"".join(b"line %d\n" % number for number in range(50))
    for run in writers:
        pumped.hear("closed", run)
        assert pumped.path(run).read_bytes() == wanted


# ── with a real reaper ────────────────────────────────────────────────────────────────────


def test_an_end_is_told_when_what_was_printed_before_it_is_in_its_file(reaper):
    for number in range(50):
        reaper.say(f"r-{number}", "seq 1 2000; echo last words")
    for number in range(50):
        reaper.talk.hear("ended", f"r-{number}")
        assert reaper.printed(f"r-{number}").endswith("\n2000\nlast words\n")


def test_late_words_belong_to_the_run(reaper):
    os.mkfifo(reaper.folder / "late")
    reaper.say("r-1", f"echo one; (read line <{reaper.folder}/late; echo two) & exit 0")
    reaper.talk.hear("ended", "r-1")
    assert reaper.printed("r-1") == "one\n"
    assert reaper.talk.find("closed", "r-1") is None
    let_go(reaper.folder / "late")
    reaper.talk.hear("closed", "r-1")
    assert reaper.printed("r-1") == "one\ntwo\n"


def test_opening_dev_stderr_anew_truncates_nothing(reaper):
    reaper.say("r-1", "echo one; echo two >/dev/stderr; echo three >/dev/stdout; echo four")
    reaper.talk.hear("closed", "r-1")
    assert reaper.printed("r-1") == "one\ntwo\nthree\nfour\n"


def test_a_stdout_made_non_blocking_leaves_stderr_alone(reaper):
    reaper.say(
        "r-1",
        ["/usr/bin/env", "python3", "-c",
         "import os; os.set_blocking(1, False); print(os.get_blocking(1), os.get_blocking(2))"],
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    reaper.talk.hear("closed", "r-1")
    assert reaper.printed("r-1") == "False True\n"


def test_a_task_that_writes_its_file_itself_is_capped_at_its_end(reaper):
    reaper.say("r-1", "seq 1 100000", direct=True, max_size=64 << 10)
    _, _, cut, size = reaper.talk.hear("closed", "r-1")
    text = reaper.printed("r-1")
    assert int(size) == len(text)
    assert text.endswith("\n100000\n") and len(text) <= 64 << 10
    assert int(cut) + len(text) == len("".join(f"{number}\n" for number in range(1, 100_001)))


def test_the_next_reaper_reads_on_what_a_killed_one_left(make):
    first = make(name="first").ready()
    os.mkfifo(first.folder / "late")
    first.say("r-1", f"echo one; read line <{first.folder}/late; echo two")
    wait_for(first.output("r-1"), "one")
    fifo = first.fifo("r-1")
    first.kill()
    second = make(name="second").ready()
    second.talk.send(
        b"pump", b"r-1", os.fsencode(fifo), os.fsencode(second.output("r-1")), b"1048576"
    )
    until("it has it open", lambda: second.has_open(fifo))
    let_go(first.folder / "late")
    assert second.talk.hear("closed", "r-1") == [b"closed", b"r-1", b"0", b"8"]
    assert second.printed("r-1") == "one\ntwo\n"
    assert not fifo.exists()
    second.talk.close()
    second.wait_end()


@pytest.mark.parametrize("there", [True, False])
def test_a_fifo_that_nobody_writes_any_more_is_closed_at_once(make, there):
    """Its run ended while no reaper lived. Such an end no kernel tells by itself."""
    second = make().ready()
    fifo = second.folder / "old" / "out-1"
    fifo.parent.mkdir()
    if there:
        os.mkfifo(fifo)
    words = (os.fsencode(fifo), os.fsencode(second.output("r-1")), b"1048576")
    second.talk.send(b"pump", b"r-1", *words)
    assert second.talk.hear("closed", "r-1") == [b"closed", b"r-1", b"0", b"0"]
    assert not fifo.exists()
    second.talk.close()
    second.wait_end()
    assert not second.directory.exists()


def test_a_fifo_opened_in_the_moment_in_which_another_is_closed_is_not_taken_for_it(pumped):
    """Both have the same number in turn, and the end of the first was reported for that number."""
    ends = pumped.add("r-1")
    os.mkfifo(pumped.fifo("r-2"))
    pumped.pump.is_quiet = True  # so that all of this is there when it looks next
    pumped.read("r-3", path="")
    until("it has looked", lambda: pumped.sources["r-3"].ready)
    os.close(ends)
    pumped.pump.ask("drain", pumped.sources["r-1"])
    pumped.read("r-2")
    pumped.pump.is_quiet = False
    pumped.hear("closed", "r-1")
    until("it is open", lambda: pumped.sources["r-2"].ready)
    pumped.pump.ask("drain", pumped.sources["r-3"])
    pumped.hear("drained", "r-3")
    assert not pumped.sources["r-2"].over
