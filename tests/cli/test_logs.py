"""torch logs: whose lines are shown, which of them, and when following ends."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.past import HOUR, Past
from tests.history.rows import T0
from torch.cli import logs as module
from torch.cli import run
from torch.client.outputs import end_of
from torch.clock import Now
from torch.run import Outcome
from torch.testing.tasks import cron

LOG = "".join(
    f"time=2027-01-15T{hour:02}:00:00.000+00:00 level=info event=run_started msg=h{hour}\n"
    for hour in range(8, 13)
)


@pytest.fixture
def past(tmp_path, monkeypatch):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("torch.clock.SystemClock.now", lambda _: Now(T0 + 4 * HOUR + 60, 1.0))
    made = Past(tmp_path)
    for name in ("a", "bee"):
        made.defined(cron(name, "0 * * * *"))
    for hour in range(3):
        made.ran("a", T0 + hour * HOUR)  # r1, r2, r3
        write(made, "a", f"r{hour + 1}", f"a{hour}-first\na{hour}-last\n", T0 + hour * HOUR)
    made.ran("bee", T0, Outcome.FAILED, code=3)  # r4
    write(made, "bee", "r4", "buzz\n\x1b[31mred\x07\n", T0)
    (tmp_path / "torch.log").write_text(LOG)
    yield made
    made.close()
    monkeypatch.undo()
    time.tzset()


def write(past: Past, task: str, run_id: str, text: str, at: float) -> Path:
    folder = past.folder / "output" / task
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run_id}.log"
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)
    os.utime(path, (at, at))
    return path


@pytest.fixture
def logs(past, capsys):
    def ask(*args: str, code: int = 0) -> str:
        assert run(["logs", *args, "--state-dir", str(past.folder)]) == code
        said = capsys.readouterr()
        return str(said.err if code else said.out)

    return ask


def test_the_newest_lines_of_a_task_come_from_its_newest_runs(logs):
    assert logs("a", "-n", "3") == "a1-last\na2-first\na2-last\n"
    assert logs("a").count("\n") == 6
    assert logs("r2") == "a1-first\na1-last\n"
    assert logs("a", "-n", "0") == ""


def test_of_several_names_each_line_has_its_name_in_front(logs):
    assert logs("a", "bee", "-n", "1") == "a   | a2-last\nbee | \x1b[31mred\x07\n"
    assert logs("a", "bee", "-n", "1", "--raw") == "a2-last\n\x1b[31mred\x07\n"
    assert logs("--all", "-n", "1").startswith("a   | a2-last\nbee |")


def test_on_a_terminal_nothing_of_a_task_acts_and_a_name_keeps_its_colour(logs, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert logs("bee") == "buzz\n\\x1b[31mred\\x07\n"
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[31m" not in logs("a", "bee")
    assert logs("a", "bee") == logs("a", "bee")
    assert f"\x1b[{module._hue('a')}ma   |\x1b[0m a2-last" in logs("a", "bee")


def test_a_grep_that_is_not_utf_8_is_refused_in_a_sentence(logs):
    said = logs("a", "--grep", "\udcff", code=64)
    assert "--grep: the pattern is not valid UTF-8" in said and "\\xNN" in said


def test_grep_finds_the_newest_lines_that_match(logs):
    assert logs("a", "--grep", "first") == "a0-first\na1-first\na2-first\n"
    assert logs("a", "--grep", "first", "-n", "1") == "a2-first\n"
    assert logs("a", "--grep", "nothing") == ""


def test_a_pattern_that_is_wrong_is_refused(logs):
    for pattern in ("(", r"(a)\1", "(?=x)"):
        assert "--grep" in logs("a", "--grep", pattern, code=64)
    assert logs("a", "--grep", r"(a\d-)+fir") == "a0-first\na1-first\na2-first\n"


def test_no_pattern_takes_long_on_any_line(past, logs):
    write(past, "long", "r9", "a" * 100_000 + "!\nend\n", T0)
    past.defined(cron("long", "0 * * * *"))
    assert logs("long", "--grep", "(a+)+$|(a|aa)+$") == ""
    assert logs("long", "--grep", "end") == "end\n"


def test_since_leaves_out_runs_that_wrote_nothing_since_and_shows_all_of_the_others(logs):
    assert logs("a", "--since", "09:00") == "a1-first\na1-last\na2-first\na2-last\n"
    assert logs("a", "--since", "09:00", "-n", "1") == "a2-last\n"
    assert logs("a", "--since", "1m") == ""


def test_of_the_services_log_since_is_of_the_lines(logs):
    assert [line[-3:] for line in logs("--since", "11:00").split()[3::4]] == ["h11", "h12"]
    assert logs("-n", "1").endswith("msg=h12\n")


def test_times_head_each_run(logs):
    said = logs("a", "--times", "-n", "3").splitlines()
    assert said[0] == "== a: run r2, 2027-01-15 09:00:00, succeeded after 5.0 s"
    assert said[2] == "== a: run r3, 2027-01-15 10:00:00, succeeded after 5.0 s"


@pytest.mark.parametrize(
    ("args", "said"),
    [(["bea"], "did you mean 'bee'?"), (["../etc"], "neither"),
     (["a", "--all"], "cannot be combined"),
     (["a", "--raw", "--times"], "cannot be combined"), (["a", "--since", "soon"], "not a time")],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_way_out(logs, args, said):
    assert said in logs(*args, code=64)


def test_an_unknown_run_suggests_the_nearest(past, logs):
    past.ran("a", T0 + 3 * HOUR)
    assert "did you mean 'r5'?" in logs("r55", code=64)


# ── following ─────────────────────────────────────────────────────────────────────────────


class Looks:
    """What happens between the looks of a command that follows, one step after the other. When
    nothing more happens, Ctrl-C is pressed."""

    def __init__(self, monkeypatch) -> None:
        self.steps: list[Callable[[], object]] = []
        monkeypatch.setattr("select.select", self._between)

    def _between(self, *_: object) -> tuple[object, object, object]:
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()
        return [], [], []


@pytest.fixture
def looks(monkeypatch):
    return Looks(monkeypatch)


def test_following_a_run_that_has_ended_shows_it_and_ends(logs, looks, capsys):
    assert logs("-f", "r2") == "a1-first\na1-last\n"


def test_following_a_run_ends_when_the_run_does(past, logs, looks, capsys):
    begun = past.intent("a", T0 + 3 * HOUR)
    past.began(begun, T0 + 3 * HOUR)
    runs = past.folder / "runs"
    runs.mkdir()
    (runs / begun.id).write_text("S 77\n")
    write(past, "a", begun.id, "begins\nha", T0)

    def ends() -> None:
        write(past, "a", begun.id, "\nthe last", T0)
        (runs / begun.id).write_text("S 77\nX 3\n")
        past.ended(begun, T0 + 3 * HOUR + 9, Outcome.FAILED, exit_code=3)

    looks.steps = [lambda: write(past, "a", begun.id, "lf", T0), ends, lambda: None, lambda: None]
    assert run(["logs", "-f", begun.id, "--state-dir", str(past.folder)]) == 0
    said = capsys.readouterr()
    assert said.out == "begins\nhalf\nthe last\n"
    assert said.err == f"{begun.id}: failed, exit code 3 after 9.0 s\n"


def test_following_a_task_goes_on_to_its_next_run_with_a_head_on_stderr(past, looks, capsys):
    looks.steps = [lambda: write(past, "a", "r7", "next\n", T0 + 9 * HOUR), lambda: None]
    assert run(["logs", "-f", "a", "-n", "1", "--state-dir", str(past.folder)]) == 130
    said = capsys.readouterr()
    assert said.out == "a2-last\nnext\n"
    assert said.err.splitlines()[0] == "== a: run r7"


def test_several_tasks_are_followed_at_once(past, looks, capsys):
    looks.steps = [
        lambda: write(past, "a", "r7", "from a\n", T0),
        lambda: (write(past, "bee", "r8", "from bee\n", T0), write(past, "a", "r7", "more\n", T0)),
        lambda: None,
    ]
    run(["logs", "-f", "a", "bee", "-n", "0", "--state-dir", str(past.folder)])
    assert capsys.readouterr().out == "a   | from a\na   | more\nbee | from bee\n"


def test_while_following_times_are_those_of_the_arrival(past, looks, capsys):
    looks.steps = [lambda: write(past, "a", "r7", "next\n", T0), lambda: None]
    run(["logs", "-f", "a", "-n", "0", "--times", "--state-dir", str(past.folder)])
    assert capsys.readouterr().out == "== a: run r7\n12:01:00 next\n"


def test_the_services_log_is_followed_through_its_rotation(past, looks, capsys):
    def rotate() -> None:
        (past.folder / "torch.log").rename(past.folder / "torch.log.1")
        (past.folder / "torch.log").write_text("fresh\n")

    looks.steps = [lambda: None, rotate, lambda: None]
    run(["logs", "-f", "-n", "1", "--state-dir", str(past.folder)])
    assert capsys.readouterr().out.splitlines()[1:] == ["fresh"]


def test_the_end_of_a_run_that_died_of_a_signal_names_it(past):
    died = past.ran("a", T0 + 3 * HOUR, Outcome.FAILED, code=137, signal=9)
    left = past.ran("bee", T0 + 3 * HOUR, Outcome.FAILED, code=137)
    ends = [end_of(past.settings, each.id) for each in (died, left)]
    assert ends == ["failed by signal 9 after 5.0 s", "failed, exit code 137 after 5.0 s"]


BAR = "10% \x1b[1m\r20%\rfailed: x\r\ndone\r\n"


def test_on_a_terminal_a_line_that_was_written_again_and_again_shows_its_last_text(
    past, logs, monkeypatch
):
    past.ran("a", T0 + 3 * HOUR)
    write(past, "a", "r5", BAR, T0 + 3 * HOUR)
    assert logs("r5") == BAR  # into a pipe as it is
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert logs("r5") == "failed: x\ndone\n"


def test_grep_looks_at_each_text_of_a_line_and_shows_the_one_it_found(past, logs, monkeypatch):
    past.ran("a", T0 + 3 * HOUR)
    write(past, "a", "r5", BAR, T0 + 3 * HOUR)
    for pattern in ("^20%$", "^failed: x$"):
        assert logs("r5", "--grep", pattern) == BAR.partition("done")[0]
    assert logs("r5", "--grep", "^done$") == "done\r\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert logs("r5", "--grep", "%") == "20%\n"


def test_grep_finds_a_line_with_bytes_that_are_no_utf_8(past, logs):
    past.ran("a", T0 + 3 * HOUR)
    write(past, "a", "r5", "", T0 + 3 * HOUR).write_bytes(b"user J\xfcrgen failed\nfine\n")
    assert logs("r5", "--grep", "^user .* failed$") == "user J\ufffdrgen failed\n"


# ── the service's log ─────────────────────────────────────────────────────────────────────


def test_on_a_terminal_the_log_is_shown_as_sentences_and_else_as_it_is(past, logs, monkeypatch):
    said = "level=error event=run_not_started task=a"
    line = f'time=2026-11-26T20:30:00.007+00:00 {said} msg="a did not start: why"\n'
    Path(past.settings.log).write_text(line)
    assert logs() == line
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert logs().endswith(":00.007 x a did not start: why\n")
    assert logs("--raw") == line
    assert logs("--grep", "event=run_not_started").endswith("a did not start: why\n")


# ── as JSON ───────────────────────────────────────────────────────────────────────────────


def test_json_is_one_document_with_task_and_run_of_each_line(logs):
    found = json.loads(logs("a", "bee", "-n", "1", "--json"))
    assert found["v"] == 1
    assert found["lines"] == [
        {"task": "a", "run": "r3", "at": None, "line": "a2-last"},
        {"task": "bee", "run": "r4", "at": None, "line": "\x1b[31mred\x07"},
    ]
    assert json.loads(logs("a", "--grep", "nothing", "--json")) == {"v": 1, "lines": []}


def test_json_of_the_services_log_has_lines_of_no_task(logs):
    (line,) = json.loads(logs("-n", "1", "--json"))["lines"]
    assert (line["task"], line["run"]) == (None, None)
    assert line["line"].endswith("msg=h12")


def test_followed_json_is_one_object_a_line_and_what_comes_has_its_time(past, logs, monkeypatch):
    run = past.intent("a", T0 + 3 * HOUR)
    past.began(run, T0 + 3 * HOUR)
    write(past, "a", run.id, "old\n", T0 + 3 * HOUR)
    looks = []

    def look(*_: object) -> tuple[list[object], ...]:
        looks.append(1)
        if len(looks) == 1:
            write(past, "a", run.id, "new\n", T0 + 3 * HOUR)
            past.ended(run, T0 + 3 * HOUR + 5, Outcome.SUCCEEDED, exit_code=0)
        return [], [], []

    monkeypatch.setattr("torch.cli.logs.select.select", look)
    objects = [json.loads(line) for line in logs(run.id, "-f", "--json").splitlines()]
    assert [each["line"] for each in objects] == ["old", "new"]
    assert all(each["v"] == 1 and each["run"] == run.id for each in objects)
    assert objects[0]["at"] is None and objects[1]["at"]


def test_json_excludes_the_forms_for_people(logs):
    assert "--json" in logs("a", "--json", "--raw", code=64)
    assert "--json" in logs("a", "--json", "--times", code=64)
