"""Apprise as a channel, by the real process, a mail server and an HTTP server on loopback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.notify.making import send
from tests.receivers import Answer
from torch.message import MessageKind
from torch.notify import apprise as way
from torch.notify.wire import Result

HOSTILE = ("\x1b[31mred <b>bold</b> :smile: *x*\x00",)


def test_a_mail_has_the_title_as_subject_and_the_lines_below_the_text(smtp):
    result = send("apprise", smtp.url)
    assert result == Result(ok=True, detail=f"sent by mailto://localhost:{smtp.port}/…")
    assert smtp.subjects() == ["backup is failing on 10.0.0.1"]
    assert smtp.recipients == [["ops@example.net"]]
    (text,) = smtp.texts()
    assert text.splitlines()[:4] == [
        "Run 7-12 ended with exit code 3.",
        "",
        "  copying",
        "  disk full",
    ]


def test_a_hostile_message_is_one_mail_without_a_header_of_its_own(smtp):
    title = "backup\r\nBcc: all@example.net\n\nowned"
    assert send("apprise", smtp.url, title=title, lines=HOSTILE).ok
    (mail,) = smtp.mails
    assert mail["Bcc"] is None and smtp.recipients == [["ops@example.net"]]
    assert "\\x1b[31mred <b>bold</b> :smile: *x*\\x00" in smtp.texts()[0]


@pytest.mark.parametrize("kind", MessageKind)
def test_every_kind_has_a_type_of_apprise(kind):
    import apprise

    assert apprise.NotifyType(way._TYPES[kind])


def test_the_kind_is_told_as_the_type_of_apprise(http):
    for kind in (MessageKind.FAILING, MessageKind.RECOVERED, MessageKind.MISSED):
        assert send("apprise", f"json://127.0.0.1:{http.port}/x", kind=kind).ok
    assert [each.json()["type"] for each in http.requests] == ["failure", "success", "warning"]


def test_a_mail_server_that_is_down_or_refuses_is_said_and_worth_another_try(smtp):
    smtp.refusal = "451 try later"
    result = send("apprise", smtp.url)
    assert not result.ok and not result.permanent and "try later" in result.detail
    smtp.down()
    result = send("apprise", smtp.url)
    assert not result.ok and not result.permanent and "Connection refused" in result.detail
    smtp.refusal = ""
    smtp.up()
    assert send("apprise", smtp.url).ok


def test_a_service_that_hangs_is_left_at_the_timeout(http):
    http.answer(Answer(hang=True))
    url = f"json://127.0.0.1:{http.port}/S3CR3T"
    result = send("apprise", url, timeout=1)
    assert result.detail == f"no answer from json://127.0.0.1:{http.port}/… within 1 s"


def test_a_service_that_fails_says_so_without_the_secrets_of_its_url(http):
    http.answer(Answer(status=500))
    url = f"json://bob:hidden7@127.0.0.1:{http.port}/S3CR3T"
    result = send("apprise", url)
    assert not result.ok and not result.permanent
    assert "500" in result.detail
    assert "hidden7" not in result.detail and "S3CR3T" not in result.detail


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nowhere://S3CR3T", "apprise knows no nowhere://…"),
        ("https://chat.example/S3CR3T", "apprise knows no https://chat.example/…"),
        ("slack://S3CR3T", "apprise refuses slack://…: An invalid Slack"),
    ],
)
def test_why_apprise_cannot_read_a_url_is_said_without_repeating_it(url, why):
    said = way.why_unreadable(url)
    assert said.startswith(why) and "S3CR3T" not in said


def test_a_url_that_apprise_cannot_read_is_permanent():
    expected = Result(ok=False, detail="apprise knows no nowhere://…", permanent=True)
    assert send("apprise", "nowhere://S3CR3T") == expected


def test_a_good_url_has_nothing_against_it():
    assert way.why_unreadable("tgram://123456789:AAG_abcdefghijklmnopqrstuvwxyz0123/55") == ""


def test_nothing_of_apprise_reaches_a_log_or_a_screen():
    script = (
        "import logging; logging.basicConfig(level=1)\n"
        "from torch.notify.apprise import why_unreadable\n"
        "assert why_unreadable('slack://S3CR3T')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_redirect_is_not_followed(http):
    http.answer(Answer(status=307, headers={"Location": http.url}))
    assert not send("apprise", f"json://127.0.0.1:{http.port}/x").ok
    assert len(http.requests) == 1


def test_a_proxy_and_a_netrc_of_the_environment_are_not_heeded(http, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bob password hidden7\n")
    os.chmod(tmp_path / ".netrc", 0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert send("apprise", f"json://127.0.0.1:{http.port}/x").ok
    assert "authorization" not in http.requests[0].headers


def test_sending_leaves_no_file_behind(smtp, tmp_path, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    assert send("apprise", smtp.url).ok
    assert list(tmp_path.iterdir()) == []
