"""A message made fit to be sent, and what receivers say made fit to be shown.

Owns the limits of a message, its harmlessness, and that no secret of a channel stands in a
detail. Pure. A message is made of what tasks print, and tasks print anything, in any length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from torch.channel import redacted
from torch.message import Message
from torch.report.text import harmless

TITLE = 200
BODY = 16_000
LINE = 500
LINES = 50
FIELD = 256
LABELS = 64
DETAIL = 300
"""Characters; of LINES and LABELS, how many."""

SHORTEST = 6
"""Characters of the shortest part of a path or query that may be a secret."""


def fit(message: Message) -> Message:
    """The message with every text harmless and of a length that a receiver takes."""
    labels = list(message.labels.items())[:LABELS]
    return replace(
        message,
        id=one_line(message.id, FIELD),
        task=one_line(message.task, FIELD),
        host=one_line(message.host, FIELD),
        title=one_line(message.title, TITLE),
        body=_lines(message.body),
        run=None if message.run is None else one_line(message.run, FIELD),
        outcome=None if message.outcome is None else one_line(message.outcome, FIELD),
        reason=one_line(message.reason, LINE),
        owner=one_line(message.owner, FIELD),
        labels={one_line(name, FIELD): one_line(value, FIELD) for name, value in labels},
        lines=tuple(one_line(line, LINE) for line in message.lines[-LINES:]),
    )


def one_line(text: str, limit: int) -> str:
    """The text in one harmless line of at most `limit` characters, of which '…' is one."""
    text = text[: limit + 1]  # before anything that costs time by length
    shown = harmless(text.replace("\t", " "))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _lines(text: str) -> str:
    kept = text[: BODY + 1].replace("\r\n", "\n").split("\n")
    shown = "\n".join(harmless(line) for line in kept)
    return shown if len(shown) <= BODY else shown[: BODY - 1] + "…"


def as_text(message: Message) -> str:
    """The message for people, where only text is sent: the body, then the lines of output."""
    lines = [f"  {line}" for line in message.lines]
    return "\n".join([message.body, *(["", *lines] if lines else [])]).strip() or message.title


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s\"'<>]*", re.ASCII)


def without_secrets(text: str, url: str) -> str:
    """One line of what others said, without anything of `url` that may be secret."""
    text = text[: 16 * DETAIL]
    for secret in sorted(set(_secrets(url)), key=len, reverse=True):
        text = text.replace(secret, "…")
    return one_line(_URL.sub(lambda found: redacted(found.group()), text).strip(), DETAIL)


def _secrets(url: str) -> Iterator[str]:
    """Every part of a URL that could be a secret, as it is written and unquoted. Of a path or a
    query a short part is a word, as 'hook' and 'v2' are; user and password are never."""
    scheme, _, rest = url.partition("://")
    shown = redacted(url).removeprefix(scheme)[3:].rstrip("/…").split(":")
    user, at, behind = rest.rpartition("@")
    pieces = [rest]
    pieces += [each for each in (user, *user.split(":")) if at and len(each) > 2]
    parts = re.split(r"[/?#&=:;,]+", behind if at else rest)
    pieces += [each for each in parts if len(each) >= SHORTEST and each not in shown]
    for piece in pieces:
        yield from (form for form in (piece, unquote(piece)) if form)
