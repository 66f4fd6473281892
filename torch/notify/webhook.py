"""A message as a CloudEvent, by one POST.

Owns the request and what each answer means. By the standard library: it follows no redirect,
since that would carry what is said to a place that nobody named; it heeds no proxy and no
.netrc of the environment, since a channel is what the task file says. Certificates are checked
against the host's own store.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from torch import __version__
from torch.channel import redacted
from torch.clock import Clock
from torch.message import Message
from torch.notify import cloudevent
from torch.notify.fitting import without_secrets
from torch.notify.wire import Result

TRY_AGAIN = frozenset({408, 425, 429})
"""Answers of the 400s that say when, and not what, was wrong."""

LONGEST_WAIT = 86400.0
_SAID = 2048  # bytes of an answer that are looked at


def send(url: str, message: Message, timeout: float, clock: Clock) -> Result:
    """Sends it once. `url` has passed `why_no_webhook`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = _connection(parts.scheme.lower(), host, parts.port, timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Content-Type": cloudevent.CONTENT_TYPE,
        "User-Agent": f"torch/{__version__}",
        "Connection": "close",
    }
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    try:
        connection.request("POST", path, cloudevent.event(message), headers)
        return _understand(connection.getresponse(), url, clock)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Result(ok=False, detail=_why(error, host, timeout, url))
    finally:
        connection.close()


def _connection(
    scheme: str, host: str, port: int | None, timeout: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _understand(response: http.client.HTTPResponse, url: str, clock: Clock) -> Result:
    code = response.status
    if 200 <= code < 300:
        return Result(ok=True, detail=f"HTTP {code}")
    if 300 <= code < 400:
        to = redacted(response.getheader("Location") or "")
        detail = f"HTTP {code}: redirects are not followed; write where it leads to, {to}"
        return Result(ok=False, detail=detail, permanent=True)
    said = without_secrets(_first_line(response), url)
    again = code in TRY_AGAIN or code >= 500
    return Result(
        ok=False,
        detail=f"HTTP {code}: {said}" if said else f"HTTP {code}",
        permanent=not again,
        retry_after=_retry_after(response.getheader("Retry-After"), clock) if again else None,
    )


def _first_line(response: http.client.HTTPResponse) -> str:
    """What the receiver says is wrong; pages of HTML say nothing."""
    try:
        text = response.read1(_SAID).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        text = ""
    line = text.splitlines()[0] if text else ""
    return (response.reason or "") if not line or line.startswith("<") else line


def _retry_after(text: str | None, clock: Clock) -> float | None:
    """Seconds, from a number of them or a date (RFC 9110, 10.2.3); None for neither."""
    if not text:
        return None
    try:
        if text.strip().isdecimal():
            seconds = float(text)
        else:
            seconds = parsedate_to_datetime(text).timestamp() - clock.now().wall
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _why(error: Exception, host: str, timeout: float, url: str) -> str:
    if isinstance(error, TimeoutError):
        return late(host, timeout)
    if isinstance(error, ssl.SSLCertVerificationError):
        return without_secrets(f"the certificate of {host} is refused: {error.verify_message}", url)
    if isinstance(error, socket.gaierror):
        return f"the name {host} is not found: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses the connection"
    if isinstance(error, OSError):
        return without_secrets(f"{host}: {error.strerror or type(error).__name__}", url)
    return f"{host} does not answer as HTTP: {type(error).__name__}"


def late(host: str, timeout: float) -> str:
    return f"{host} did not answer within {timeout:g} s"
