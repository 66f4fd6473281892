"""A message by apprise, which knows some hundred services and mail.

Owns everything that is said to apprise; no other module imports it, since it costs 25 MB. Its
log says why a delivery failed, in words that may hold parts of the URL, so they are caught
here and cleaned. What the environment says of proxies is not heeded: a channel is what the task
file says. Certificates are checked against the host's own store.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch.channel import redacted
from torch.message import Message, MessageKind
from torch.notify.fitting import as_text, without_secrets
from torch.notify.wire import Result

if TYPE_CHECKING:
    import apprise

_TYPES = {
    MessageKind.FAILING: "failure",
    MessageKind.STILL_FAILING: "failure",
    MessageKind.CRASH_LOOPING: "failure",
    MessageKind.RECOVERED: "success",
    MessageKind.MISSED: "warning",
    MessageKind.MATCHED: "warning",
    MessageKind.DIGEST: "warning",
    MessageKind.TEST: "info",
}
_CAUSES = (
    re.compile(r"\[Errno -?\d+\] ([^'\")\n]{1,80})"),
    re.compile(r"(certificate verify failed: [^('\"]{1,80})"),
    re.compile(r"((?:Read|Connect|Connection)[a-z ]* timed out)"),
    re.compile(r"^Socket Exception: ([^/\n]{1,120})\Z"),
)
"""The system's own words, among what apprise says only to those who debug it."""


class _Said(logging.Handler):
    """Keeps what apprise complains of, and the system's own word for the cause."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.complaints: list[str] = []
        self.cause = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.complaints.append(text)
        elif text.startswith("Socket Exception"):
            found = (each.search(text) for each in _CAUSES)
            self.cause = next((one.group(1).strip() for one in found if one), self.cause)

    def why(self, url: str) -> str:
        """The first complaint: later ones only follow from it."""
        first = self.complaints[0] if self.complaints else "apprise does not say why"
        more = f" ({self.cause})" if self.cause and self.cause not in first else ""
        return without_secrets(first.rstrip(".") + more, url)


@contextmanager
def _listening() -> Iterator[_Said]:
    said, log = _Said(), logging.getLogger("apprise")
    log.propagate = False  # nothing of it on anybody's screen
    log.setLevel(logging.DEBUG)
    log.addHandler(said)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own future, which is not ours to mend
            yield said
    finally:
        log.removeHandler(said)


def why_unreadable(url: str) -> str:
    """Why apprise cannot read a URL, without what is secret in it; '' when it can."""
    with _listening() as said:
        import apprise

        found = apprise.Apprise.instantiate(url, asset=_asset())
    if found is not None:
        return ""
    if "Unparseable" in said.why(url) or not said.complaints:
        return f"apprise knows no {redacted(url)}"
    return f"apprise refuses {redacted(url)}: {said.why(url)}"


def send(url: str, message: Message, timeout: float) -> Result:
    """Sends it once. A URL that cannot be read is for ever; why else it failed nobody knows."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ["NETRC"] = os.devnull
    if store := ssl.get_default_verify_paths().cafile:
        os.environ["REQUESTS_CA_BUNDLE"] = store
    if reason := why_unreadable(url):
        return Result(ok=False, detail=reason, permanent=True)
    import apprise

    target = apprise.Apprise(asset=_asset(timeout))
    target.add(url)
    with _listening() as said:
        done = target.notify(
            body=as_text(message),
            title=message.title,
            notify_type=apprise.NotifyType(_TYPES[message.kind]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    if done:
        return Result(ok=True, detail=f"sent by {redacted(url)}")
    return Result(ok=False, detail=said.why(url))


def _asset(timeout: float = 30.0) -> apprise.AppriseAsset:
    import apprise

    return apprise.AppriseAsset(
        app_id="Torch",
        app_desc="Torch",
        app_url="",
        async_mode=False,
        http_redirects=False,
        storage_mode="memory",
        service_timeout=timeout,
        secure_logging=True,
    )
