"""What listens on the socket answers anything: every command ends in a sentence and its code."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli import fake
from torch.cli import COMMANDS, options, run
from torch.client import answers, asking

ASKING = {
    "stop": ["stop"],
    "stop --keep-runs": ["stop", "--keep-runs"],
    "restart": ["restart"],
    "reload": ["reload"],
    "status": ["status"],
    "status --json": ["status", "--json"],
    "top": ["top", "--once"],
    "check": ["check"],
    "plan": ["plan"],
    "diff": ["diff"],
    "next": ["next", "x"],
    "tasks": ["tasks"],
    "run": ["run", "x"],
    "run --wait": ["run", "x", "--wait"],
    "kill": ["kill", "x"],
    "pause": ["pause", "x"],
    "resume": ["resume", "x"],
    "explain": ["explain", "x"],
    "notify list": ["notify", "list"],
    "notify test": ["notify", "test", "ops"],
}
OTHERS = {
    "start", "schema", "import", "runs", "logs", "unit", "completion", "version",  # ask nobody
    "doctor",  # finds what is wrong, and says it as that
}  # fmt: skip
TIMED = {"reload", "status", "top", "diff", "tasks", "run", "kill", "pause", "resume"}

Said = Callable[[dict[str, Any]], bytes]
RUBBISH: dict[str, bytes | Said] = {
    "nothing": b"",
    "an empty line": b"\n",
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no end": b'{"v": 1, "ok": true}',
    "half": lambda request: fake.line(fake.good(request))[:30],
    "bytes": b"\xff\xfe\x00\x80\n",
    "a list": b"[]\n",
    "a number": b"1e999\n",
    "a number without end": b"9" * 5000 + b"\n",
    "null": b"null\n",
    "a string": b'"ok"\n',
    "deep": b"[" * 100_000 + b"\n",
    "deep keys": b'{"v":' * 100_000 + b"\n",
    "empty": b"{}\n",
    "no version": lambda request: fake.line({**fake.good(request), "v": None}),
    "another version": lambda request: fake.line({**fake.good(request), "v": 2}),
    "ok and nothing else": b'{"v": 1, "ok": true}\n',
    "refused without a word": b'{"v": 1, "ok": false}\n',
    "refused as a success": b'{"v":1,"ok":false,"error":"x","hint":"","exit_code":0}\n',
    "refused by no code": b'{"v":1,"ok":false,"error":"x","hint":"","exit_code":99}\n',
    "refused by a list": b'{"v":1,"ok":false,"error":[],"hint":{},"exit_code":64}\n',
    "megabytes": b"x" * (3 << 20),
    "megabytes of an answer": lambda request: fake.line(
        {**fake.good(request), "more": "x" * (3 << 20)}
    ),
}


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    for name in ("TORCH_FILE", "TORCH_ADDRESS", "TORCH_STATE_DIR", "TORCH_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(asking, "MOST", 1 << 20)
    monkeypatch.setattr(options, "PATIENCE", 0.2)
    tmp_path.chmod(0o700)

    def asked(name: str, *more: str) -> tuple[int, str]:
        code = run([*ASKING[name], *more, "--state-dir", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.err

    return asked


def test_every_command_is_tried_or_asks_nobody():
    assert {words[0] for words in ASKING.values()} | OTHERS == {*COMMANDS}


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("name", ASKING)
def test_rubbish_is_a_sentence_and_exit_code_69(ask, tmp_path, name, rubbish):
    said = RUBBISH[rubbish]

    def talk(connection, request):
        connection.sendall(said if isinstance(said, bytes) else said(request))

    with fake.Fake(tmp_path, talk):
        code, error = ask(name)
    assert code == 69, error
    assert error.startswith("torch: ") and len(error) < 600


@pytest.mark.parametrize("name", [name for name in ASKING if name != "run --wait"])
@pytest.mark.parametrize("every", [None, 0.02], ids=["silent", "a byte now and then"])
def test_one_that_never_ends_its_answer_is_left_when_time_is_over(
    ask, tmp_path, monkeypatch, name, every
):
    monkeypatch.setattr("torch.cli.lifecycle.PATIENCE", 0.2)
    with fake.Fake(tmp_path, lambda connection, _: fake.until_left(connection, every=every)):
        code, error = ask(name, *(["--timeout", "0.2"] if ASKING[name][0] in TIMED else []))
    assert code == 69, error
    assert "did not answer within 0.2 s" in error


# ── an answer that is nearly right ────────────────────────────────────────────────────────

OF_COMMAND = {
    "stop": "stop", "reload": "reload", "status": "status", "top": "status", "check": "file",
    "plan": "file", "next": "next", "tasks": "status", "run --wait": "run", "kill": "kill",
    "pause": "pause", "resume": "resume", "explain": "task", "restart": "status",
}  # fmt: skip
WRONG = [None, True, -1, 10**400, 1.5, "", "\ud800\x1b[2J", "../../x\0y", [], [None], {}, {"a": 1}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value within."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))


def changed(answer: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(answer)
    inner: Any = made
    for key in path[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


@pytest.mark.parametrize("name", OF_COMMAND)
def test_a_good_answer_with_one_value_gone_or_of_another_kind_gives_no_traceback(
    ask, tmp_path, name
):
    """Each is either understood or not one of a service; nothing else may happen."""
    request = OF_COMMAND[name]
    said: list[dict[str, Any]] = []

    def talk(connection, asked):
        connection.sendall(fake.line(said[0] if asked["do"] == request else fake.good(asked)))

    codes = set()
    with fake.Fake(tmp_path, talk):
        for path in places(fake.ANSWERS[request]):
            for value in (*WRONG, KeyError):
                said[:] = [{"v": 1, "ok": True, **changed(fake.ANSWERS[request], path, value)}]
                if name in ("stop", "restart") and is_good(request, said[0]):
                    continue  # it would be waited for, and we are it
                code, error = ask(name)
                assert code in (0, 1, 3, 64, 65, 69, 75), (path, value, error)
                assert "Traceback" not in error
                codes.add(code)
    assert 69 in codes


def is_good(request: str, answer: dict[str, Any]) -> bool:
    try:
        answers.check(request, answer)
    except answers.Wrong:
        return False
    return True


def test_the_answers_of_the_fake_are_good_ones():
    for request, answer in fake.ANSWERS.items():
        answers.check(request, answer)
    assert fake.ANSWERS.keys() == answers._ANSWERS.keys()


def test_a_service_of_an_older_version_says_its_address_in_its_status(ask, tmp_path, capsys):
    """Its answer about its file has no address yet."""
    file = tmp_path / "torch" / "tasks.yaml"
    file.parent.mkdir()
    file.write_text("tasks: [{name: x, hosts: [10.0.0.1], schedule: '@daily', command: 'true'}]\n")
    file.chmod(0o644)

    def talk(connection, asked):
        answer = fake.good(asked)
        old = {"v": 1, "ok": True, "file": str(file)} if asked["do"] == "file" else answer
        connection.sendall(fake.line(old))

    with fake.Fake(tmp_path, talk):
        assert ask("plan")[0] == 0
        assert run(["plan", "--json", "--state-dir", str(tmp_path)]) == 0
    assert '"host": "10.0.0.1"' in capsys.readouterr().out
