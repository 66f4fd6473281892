"""A channel: a named way to tell people, and how its secret is kept out of sight.

Owns the shape of a channel and how a URL is shown: most URLs of a channel are secrets, by
their password, their path or their query, so none is ever shown whole. Invariant: `target` is
in no `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit


class Way(StrEnum):
    """How a channel reaches people."""

    WEBHOOK = "webhook"
    EXEC = "exec"
    APPRISE = "apprise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """`target`: a URL, or a command (text for the shell, or a list that is run as it is).

    `file`: where the URL stands instead, in a file that only its owner can read; '' for none.
    """

    name: str
    way: Way
    target: str | tuple[str, ...] = field(default="", repr=False)
    file: str = ""

    def shown(self) -> str:
        """The target for people, without what is secret in it."""
        if self.file:
            return f"URL in {self.file}"
        if self.way is Way.EXEC:
            return masked(self.target if isinstance(self.target, str) else " ".join(self.target))
        return redacted(str(self.target))

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a JSON document. With its secret: never for people."""
        target = self.target if isinstance(self.target, str) else list(self.target)
        return {"name": self.name, "way": self.way.value, "target": target, "file": self.file}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Channel:
        """The same back. Raises ValueError for what is no channel."""
        try:
            target = values.get("target") or ""
            return cls(
                name=values["name"],
                way=Way(values["way"]),
                target=target if isinstance(target, str) else tuple(target),
                file=values.get("file") or "",
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a channel: {error}") from error


_HOST_IS_A_HOST = frozenset("http https mailto mailtos json jsons form forms xml xmls".split())
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://([^\s/?#\"']*)(\S*)", re.ASCII)


def redacted(url: str) -> str:
    """'https://chat.example/…', 'tgram://…': of most of apprise's URLs the host is a token."""
    found = _URL.match(url)
    if found is None:
        return "…"
    scheme, place, rest = found.groups()
    host = place.rpartition("@")[2]
    if scheme.lower() not in _HOST_IS_A_HOST or not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host):
        return f"{scheme}://…"
    return f"{scheme}://{host}/…" if rest.strip("/") else f"{scheme}://{host}"


def masked(line: str) -> str:
    """A line of text for people: of every URL in it only as much as `redacted` shows, and each
    character that is hidden is a *, so that places in the line stay where they are."""
    return _URL.sub(_mask, line) if "://" in line else line


def _mask(found: re.Match[str]) -> str:
    url = found.group()
    shown = redacted(url)
    if not shown.endswith("…") and "@" not in found.group(2):
        return url
    scheme, place, _ = found.groups()
    host = place.rpartition("@")[2] if len(shown) > len(scheme) + 4 else ""
    head = len(scheme) + 3
    start = head + len(place) - len(host) if host else head
    end = start + len(host)
    return url[:head] + "*" * (start - head) + url[start:end] + "*" * (len(url) - end)


def why_no_webhook(url: str) -> tuple[str, str] | None:
    """What is wrong with a URL to send to, without repeating it, and the way out; or None."""
    if not re.match(r"https?://", url, re.IGNORECASE):
        return (
            "must begin with https:// or http://",
            "for a URL of apprise (slack://…, mailto://…), use the key 'apprise'",
        )
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        return "is not a valid URL", "example: https://chat.example/hook"
    return None
