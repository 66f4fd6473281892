"""Webhooks, by the real process and a receiver on loopback."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.notify.making import AT, message, send
from tests.receivers import Answer, HttpReceiver, deaf_port
from torch.message import MessageKind
from torch.notify.cloudevent import event
from torch.notify.wire import Result

DELIVERED = Result(ok=True, detail="HTTP 204")


def test_a_webhook_is_one_post_of_a_cloudevent(http):
    assert send("webhook", http.url) == DELIVERED
    (request,) = http.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    sent = request.json()
    at = datetime.fromisoformat(sent.pop("time"))
    assert at.timestamp() == AT and at.tzinfo is not None
    assert sent == {
        "specversion": "1.0",
        "id": "m-1",
        "source": "/torch/10.0.0.1",
        "type": "dev.torchcron.task.failing",
        "subject": "backup",
        "datacontenttype": "application/json",
        "data": json.loads(json.dumps(message().as_json())),
    }


def test_an_event_without_a_task_has_no_subject(http):
    assert send("webhook", http.url, kind=MessageKind.DIGEST, task="") == DELIVERED
    sent = http.requests[0].json()
    assert "subject" not in sent and sent["type"] == "dev.torchcron.task.digest"


@pytest.mark.parametrize(
    ("host", "source"),
    [("10.0.0.1", "/torch/10.0.0.1"), ("2001:db8::1", "/torch/2001:db8::1"),
     ("", "/torch/localhost"), ("a b/ä", "/torch/a%20b%2F%C3%A4")],
)  # fmt: skip
def test_the_source_is_always_a_reference(host, source):
    assert json.loads(event(message(host=host)))["source"] == source


def test_user_and_password_of_the_url_are_sent_as_basic_authorization_and_in_no_path(http):
    url = http.url.replace("//", "//bob:hid%20den@") + "?room=7"
    assert send("webhook", url) == DELIVERED
    assert http.requests[0].headers["authorization"] == "Basic Ym9iOmhpZCBkZW4="
    assert http.requests[0].path == "/hook?room=7"
    assert "bob" not in http.requests[0].headers["host"]


def test_the_url_can_stand_in_a_file_that_only_its_owner_reads(http, tmp_path):
    file = tmp_path / "ops.url"
    file.write_text(f"# the operators' room\n\n{http.url}\n")
    file.chmod(0o600)
    assert send("webhook", file=str(file)) == DELIVERED
    file.chmod(0o640)
    result = send("webhook", file=str(file))
    assert not result.ok and not result.permanent
    assert "chmod 600" in result.detail
    assert len(http.requests) == 1


def test_a_byte_order_mark_is_no_part_of_the_url(http, tmp_path):
    file = tmp_path / "ops.url"
    file.write_bytes(f"\ufeff{http.url}\r\n".encode())
    file.chmod(0o600)
    assert send("webhook", file=str(file)) == DELIVERED
    file.write_text(http.url, encoding="utf-16")
    assert "it is UTF-16; save it as UTF-8" in send("webhook", file=str(file)).detail


@pytest.mark.parametrize("content", ["", "# only a comment\n"])
def test_an_empty_file_of_a_url_is_said(tmp_path, content):
    file = tmp_path / "ops.url"
    file.write_text(content)
    file.chmod(0o600)
    detail = f"the URL in {file} cannot be read: it is empty"
    assert send("webhook", file=str(file)) == Result(ok=False, detail=detail)


def test_a_file_that_holds_no_url_is_said_without_repeating_it(tmp_path):
    file = tmp_path / "ops.url"
    file.write_text("S3CR3T-TOKEN")
    file.chmod(0o600)
    detail = f"the URL in {file} must begin with https:// or http://"
    assert send("webhook", file=str(file)) == Result(ok=False, detail=detail, permanent=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_answer_of_the_200s_is_delivered(http, status):
    http.answer(Answer(status=status))
    assert send("webhook", http.url) == Result(ok=True, detail=f"HTTP {status}")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_an_answer_that_may_pass_is_worth_another_try(http, status):
    http.answer(Answer(status=status, body=b"later\nor never"))
    assert send("webhook", http.url) == Result(ok=False, detail=f"HTTP {status}: later")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_an_answer_that_will_not_change_is_permanent(http, status):
    http.answer(Answer(status=status, body=b"<html>no</html>"))
    result = send("webhook", http.url)
    assert result.permanent and result.detail.startswith(f"HTTP {status}: ")
    assert "<" not in result.detail


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("99999999999", 86400, 86400),
        (format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True), 3600, 7200),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
    ],
    ids=["seconds", "far too many", "a date to come", "a date that was"],
)
def test_retry_after_is_told_in_seconds(http, header, low, high):
    http.answer(Answer(status=429, headers={"Retry-After": header}))
    after = send("webhook", http.url).retry_after
    assert after is not None and low <= after <= high


def test_retry_after_that_says_nothing_is_passed_over(http):
    http.answer(Answer(status=503, headers={"Retry-After": "soon"}))
    assert send("webhook", http.url).retry_after is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_says_where_to(http, status):
    http.answer(Answer(status=status, headers={"Location": f"{http.url}/S3CR3T"}))
    result = send("webhook", http.url)
    assert result.permanent and len(http.requests) == 1
    assert f"127.0.0.1:{http.port}/…" in result.detail and "S3CR3T" not in result.detail


def test_a_receiver_that_is_down_is_said_and_worth_another_try(http):
    http.down()
    expected = Result(ok=False, detail="127.0.0.1 refuses the connection")
    assert send("webhook", http.url) == expected
    http.up()
    assert send("webhook", http.url) == DELIVERED


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(drip=True)], ids=repr)
def test_a_receiver_that_hangs_or_never_ends_is_left_at_the_timeout(http, answer):
    http.answer(answer)
    result = send("webhook", http.url, timeout=0.5)
    assert not result.ok and not result.permanent
    assert result.detail.endswith("within 0.5 s")


def test_a_receiver_that_takes_the_connection_and_is_silent_is_left_at_the_timeout():
    with deaf_port() as port:
        result = send("webhook", f"https://127.0.0.1:{port}/S3CR3T", timeout=0.5)
    assert result.detail.endswith("within 0.5 s") and "S3CR3T" not in result.detail


def test_a_huge_answer_is_not_read(http):
    http.answer(Answer(status=500, body=b"x" * 2**24))
    result = send("webhook", http.url)
    assert result.detail.startswith("HTTP 500: xxx") and len(result.detail) < 400


def test_an_answer_that_ends_too_early_still_says_what_it_said(http):
    raw = b"HTTP/1.1 500 Oh\r\nContent-Length: 999999999\r\n\r\nno disk\n" + b"x" * 5000
    http.answer(Answer(raw=raw))
    assert send("webhook", http.url) == Result(ok=False, detail="HTTP 500: no disk")


def test_an_answer_that_is_hostile_is_harmless_in_the_detail(http):
    http.answer(Answer(status=500, body=b"\x1b]0;owned\x07\xff no hook S3CR3T-TOKEN"))
    result = send("webhook", f"{http.url}/S3CR3T-TOKEN")
    assert result.detail.isprintable() and "S3CR3T" not in result.detail


@pytest.mark.parametrize(
    "raw",
    [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200\r\n" + b"A: b\r\n" * 300, b"HTTP/1.1 " + b"2" * 70_000],
    ids=["nothing", "another protocol", "endless headers", "an endless status"],
)
def test_a_receiver_that_does_not_speak_http_is_said(http, raw):
    http.answer(Answer(raw=raw))
    result = send("webhook", http.url)
    assert not result.ok and not result.permanent
    assert result.detail.startswith("127.0.0.1")


def test_a_name_that_nobody_has_is_said():
    result = send("webhook", "https://nobody.invalid/S3CR3T")
    assert result.detail.startswith("the name nobody.invalid is not found")


def test_a_proxy_of_the_environment_is_not_heeded(http, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert send("webhook", http.url) == DELIVERED


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
class TestCertificates:
    @pytest.fixture
    def certificate(self, tmp_path):
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
            check=True, capture_output=True,
        )  # fmt: skip
        return cert, key

    @pytest.fixture
    def https(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, certificate))
        with HttpReceiver(tls=context) as receiver:
            yield receiver

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, https):
        result = send("webhook", https.url)
        assert not result.ok and not https.requests
        assert result.detail.startswith("the certificate of 127.0.0.1 is refused: self-signed")

    def test_apprise_refuses_it_too(self, https):
        result = send("apprise", f"jsons://127.0.0.1:{https.port}/hook")
        assert not result.ok and not https.requests
        assert "certificate" in result.detail

    def test_a_certificate_of_the_hosts_own_store_is_trusted_in_both_ways(
        self, https, certificate, monkeypatch
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert send("webhook", https.url) == DELIVERED
        assert send("apprise", f"jsons://127.0.0.1:{https.port}/hook").ok
