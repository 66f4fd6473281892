"""torch notify list and test, and what torch check says of channels."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.receivers import Answer, HttpReceiver
from torch.cli import run
from torch.message import Message
from torch.notify.fitting import fit

SECRET = "S3CR3T-TOKEN"


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("TORCH_FILE", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def http():
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def write(tmp_path):
    def written(notify: str) -> str:
        path = tmp_path / "tasks.yaml"
        path.write_text(f"notify:\n{notify}\ntasks: []\n")
        path.chmod(0o644)
        return str(path)

    return written


def test_list_shows_the_channels_and_no_secret(write, capsys):
    file = write(
        f"  ops: {{webhook: 'https://{SECRET}@chat.example/{SECRET}'}}\n"
        f"  phone: tgram://{SECRET}/{SECRET}\n"
        "  kept: {apprise: {file: /etc/torch/kept.url}}\n"
        "  log: {exec: [logger, hello]}\n"
    )
    assert run(["notify", "list", "-f", file]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "CHANNEL  WAY      TARGET",
        "ops      webhook  https://chat.example/…",
        "phone    apprise  tgram://…",
        "kept     apprise  URL in /etc/torch/kept.url",
        "log      exec     logger hello",
    ]
    assert run(["notify", "list", "-f", file, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["v"] == 1 and SECRET not in str(document)
    first = {"name": "ops", "way": "webhook", "target": "https://chat.example/…"}
    assert document["channels"][0] == first


def test_list_of_a_file_without_channels_says_where_they_stand(tmp_path, capsys):
    (tmp_path / "tasks.yaml").write_text("tasks: []\n")
    assert run(["notify", "list", "-f", str(tmp_path / "tasks.yaml")]) == 0
    assert "under 'notify'" in capsys.readouterr().err


def test_a_test_arrives_as_a_test_and_says_so(write, capsys, http):
    file = write(f"  ops: {{webhook: '{http.url}'}}")
    assert run(["notify", "test", "ops", "-f", file, "--address", "10.0.0.1"]) == 0
    assert capsys.readouterr().out == "channel 'ops': delivered, HTTP 204\n"
    (event,) = (request.json() for request in http.requests)
    assert event["type"] == "dev.torchcron.task.test" and event["source"] == "/torch/10.0.0.1"
    assert event["data"]["title"] == "Torch on 10.0.0.1: test of channel 'ops'"
    message = Message.from_json(event["data"])
    assert fit(message) == message


def test_a_test_that_does_not_arrive_exits_69_and_says_why(write, capsys, http):
    file = write(f"  ops: {{webhook: '{http.url}/{SECRET}'}}")
    http.answer(Answer(status=404))
    assert run(["notify", "test", "ops", "-f", file]) == 69
    said = capsys.readouterr().err
    assert "HTTP 404: Not Found" in said and "are discarded" in said and SECRET not in said
    http.down()
    assert run(["notify", "test", "ops", "-f", file, "--json"]) == 69
    out, err = capsys.readouterr()
    assert "alerts are retried" in err
    document = json.loads(out)
    assert document["delivered"] is False and document["permanent"] is False
    assert document["detail"] == "127.0.0.1 refuses the connection"


def test_a_command_that_fails_says_its_last_line_and_not_itself(write, capsys):
    assert run(["notify", "test", "page", "-f", write("  page: {exec: 'echo gone; exit 4'}")]) == 69
    assert capsys.readouterr().err.startswith("torch: channel 'page' (exec): exit code 4: gone\n")


def test_an_unknown_channel_exits_64_with_the_nearest(write, capsys):
    file = write("  operators: {exec: 'true'}")
    assert run(["notify", "test", "operator", "-f", file]) == 64
    assert "did you mean 'operators'?" in capsys.readouterr().err
    assert run(["notify", "test", "zzz", "-f", file]) == 64
    assert "torch notify list" in capsys.readouterr().err


def test_a_bad_file_exits_65(write, capsys):
    assert run(["notify", "test", "ops", "-f", write("  ops: nothing")]) == 65
    assert "is not a valid URL" in capsys.readouterr().err


def test_the_timeout_is_kept(write, capsys, http):
    http.answer(Answer(hang=True))
    file = write(f"  ops: {{webhook: '{http.url}'}}")
    assert run(["notify", "test", "ops", "-f", file, "--timeout", "0.5"]) == 69
    assert "within 0.5 s" in capsys.readouterr().err


# ── check ─────────────────────────────────────────────────────────────────────────────────


def test_check_refuses_a_url_that_apprise_cannot_read_at_its_place(write, capsys):
    file = write(f"  good: {{exec: 'true'}}\n  phone: {{apprise: 'slack://{SECRET}'}}")
    assert run(["check", file]) == 65
    said = capsys.readouterr().err
    assert f"{file}:3:10: channel 'phone': apprise refuses slack://…" in said
    assert SECRET not in said


def test_check_says_how_a_webhook_is_written_for_a_url_of_one(write, capsys):
    assert run(["check", write(f"  ops: https://chat.example/{SECRET}")]) == 65
    said = capsys.readouterr().err
    assert "apprise knows no https://chat.example/…" in said and "{webhook: " in said
    assert SECRET not in said


def test_check_doubts_a_file_that_could_not_be_read_now(write, capsys, tmp_path):
    url = tmp_path / "ops.url"
    file = write(f"  ops: {{webhook: {{file: {url}}}}}")
    assert run(["check", file]) == 0
    assert "no such file" in capsys.readouterr().err
    url.write_text("https://chat.example/hook\n")
    url.chmod(0o644)
    assert run(["check", file]) == 0
    assert "is accessible to other users" in capsys.readouterr().err
    url.chmod(0o600)
    assert run(["check", file]) == 0
    assert capsys.readouterr().err == ""


def test_check_without_a_url_of_apprise_does_not_load_it(write):
    file = write("  ops: {webhook: 'https://chat.example'}")
    script = "import sys; from torch.cli import run; run(['check', sys.argv[1]]); "
    script += "sys.exit('apprise' in sys.modules)"
    subprocess.run([sys.executable, "-c", script, file], check=True, capture_output=True)
