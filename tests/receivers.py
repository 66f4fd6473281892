"""Receivers of alerts for tests: an HTTP server and a mail server on loopback.

Each takes a free port that the kernel names, and is gone with its `with` block: no thread, no
port, no connection stays. `HttpReceiver` keeps every request and answers as it was told;
`SmtpReceiver` keeps every mail.
"""

from __future__ import annotations

import contextlib
import email
import email.message
import email.policy
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.waiting import DEADLINE


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request is answered. `hang`: never, until the receiver goes. `drip`: its headers
    come a line at a time, for ever. `raw`: these bytes instead of anything that is HTTP."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False
    drip: bool = False
    raw: bytes | None = None


class HttpReceiver:
    """Records requests and answers with `answers`, one after the other, the last of them for
    ever. `down()` closes the port: connections are refused; `up()` opens the same one again."""

    def __init__(
        self, answers: Sequence[Answer] = (Answer(),), *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.answers = list(answers)
        self._tls = tls
        self._leave = threading.Event()
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/hook"

    def answer(self, *answers: Answer) -> None:
        """What is answered from now on."""
        with self._lock:
            self.answers = list(answers)

    def messages(self) -> list[dict[str, Any]]:
        """The `data` of each CloudEvent that came, in their order."""
        return [request.json()["data"] for request in list(self.requests)]

    def kinds(self) -> list[str]:
        """The kind of each message that came: ['failing', 'recovered']."""
        return [str(message["kind"]) for message in self.messages()]

    def up(self) -> None:
        self._leave.clear()
        server = _Server(("127.0.0.1", self.port), self._handler())
        self.port = server.server_address[1]
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        self._thread.start()

    def down(self) -> None:
        """Nothing listens any more; what hangs is cut off."""
        if self._server is None or self._thread is None:
            return
        self._leave.set()
        self._server.shutdown()
        self._server.server_close()  # joins the threads of its connections
        self._thread.join(DEADLINE)
        self._server = self._thread = None

    def __enter__(self) -> HttpReceiver:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _take(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = DEADLINE

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                answer = receiver._take(Request(self.command, self.path, headers, body))
                with contextlib.suppress(OSError):  # the sender has left
                    self._answer(answer)
                self.close_connection = True

            def _answer(self, answer: Answer) -> None:
                if answer.hang:
                    receiver._leave.wait(DEADLINE * 4)
                    return
                if answer.raw is not None:
                    self.wfile.write(answer.raw)
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.drip:
                    self.flush_headers()
                    while not receiver._leave.wait(0.05):
                        self.wfile.write(b"X-More: yes\r\n")
                    return
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_HEAD = _any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing: the requests are kept."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing it waits for them
    block_on_close = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """A sender that leaves, or refuses our certificate, is what a test may want."""


class SmtpReceiver:
    """Takes every mail, or refuses it with `refusal` ('451 try later'). A mail is parsed."""

    def __init__(self, refusal: str = "") -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusal = refusal
        self._controller: Controller | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """As a channel of apprise says it."""
        return (
            f"mailto://localhost:{self.port}?from=torch@example.net&to=ops@example.net&format=text"
        )

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refusal:
            return self.refusal
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, email.message.EmailMessage)
        self.recipients.append(list(envelope.rcpt_tos))
        self.mails.append(parsed)
        return "250 taken"

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in list(self.mails)]

    def texts(self) -> list[str]:
        """The plain text of each mail."""
        found = [mail.get_body(preferencelist=("plain",)) for mail in list(self.mails)]
        return [part.get_content() if part else "" for part in found]

    def up(self) -> None:
        self.port = self.port or free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def down(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> SmtpReceiver:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield int(listener.getsockname()[1])
