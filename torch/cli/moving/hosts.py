"""The form `10.0.1.11=DIR`: which arguments have it, and what is wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from torch.errors import UsageError

_FORM = re.compile(r"([^/=]*|[0-9a-fA-F.:]+/\d+)=(.*)", re.DOTALL | re.ASCII)
_HINT = "example: torch import crontab 10.0.1.11=DIR 10.0.1.12=DIR"


def split(words: Sequence[str]) -> list[tuple[str, str]] | None:
    """(address, path) of each, in the order of addresses; None if they are plain paths.

    Raises UsageError for an address that is none, or stands here twice.
    """
    found = [None if os.path.lexists(word) else _FORM.fullmatch(word) for word in words]
    if not any(found):
        return None
    paths: dict[IPv4Address | IPv6Address, str] = {}
    for word, match in zip(words, found, strict=True):
        if match is None:
            raise UsageError(f"{word} has no HOST=, the others have", hint=_HINT)
        address = _address(match[1])
        if address in paths:
            raise UsageError(
                f"{address} is given twice: {paths[address]}, {match[2]}",
                hint="put all crontabs of a host into one directory",
            )
        if not match[2]:
            raise UsageError(f"{word} names no file or directory", hint=_HINT)
        paths[address] = match[2]
    return [(str(each), paths[each]) for each in sorted(paths, key=lambda a: (a.version, int(a)))]


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        what = "a network" if "/" in text else "a name"
        hint = f"{what} cannot name a host here; use the address of the host"
        raise UsageError(f"'{text}' is not an IP address", hint=hint) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_unspecified:
        raise UsageError(
            f"{address} is not the address of one host",
            hint="use the host's address in its network",
        )
    return address
