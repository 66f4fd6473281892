"""Which tasks belong to this host: `hosts` entries against the host's addresses.

Owns the grammar of an entry and the matching. Rules:
- An entry is an address, a network or a group; `!` before it excludes. Order does not matter,
  exclusion wins, and a list of nothing but exclusions means everyone else. No list: every host.
- Matched against every address of the host that is not a loopback address.
- Strict: no hex, no leading zeros, no ranges, no wildcards, no netmasks, and no network with
  host bits set (10.0.0.5/24 is either a typo for /32 or for 10.0.0.0/24: only the writer knows).
- An IPv4-mapped address (::ffff:10.0.0.1) is the IPv4 address in it.
- A link-local address may name its interface (fe80::1%eth0); without one, any interface will do.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

GROUP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}", re.ASCII)
"""Begins with a letter, so that no group can be mistaken for an IPv4 address."""

_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", re.ASCII)
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_MAPPED = b"\0" * 10 + b"\xff\xff"

Range = tuple[int, int, int, str]
"""An address or network as (bytes of its kind: 4 or 16, value, free bits, zone)."""


class BadEntry(ValueError):
    """An entry that is neither address nor network: what is wrong, and the way out."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@lru_cache(maxsize=65536)
def read_range(text: str) -> Range:
    """An address or a network, without `!`. Raises BadEntry."""
    host, slash, prefix = text.partition("/")
    host, percent, zone = host.partition("%")
    packed = _packed(host)
    if packed is None:
        raise _bad_address(text, host)
    if percent and not (
        len(packed) == 16 and packed[0] == 0xFE and not slash and _ZONE.fullmatch(zone)
    ):
        raise BadEntry(
            f"'{text}' has an invalid zone",
            "only a link-local IPv6 address can name an interface: fe80::1%eth0",
        )
    width = len(packed) * 8
    if slash and not (_PREFIX.fullmatch(prefix) and int(prefix) <= width):
        mask = "write the prefix length, such as /24" if "." in prefix else ""
        raise BadEntry(
            f"'{text}' is not a network: its prefix must be from /0 to /{width}",
            mask or f"a single address needs no prefix: {host}",
        )
    free = width - int(prefix) if slash else 0
    value = int.from_bytes(packed)
    if packed.startswith(_MAPPED) and free <= 32:
        packed, value = packed[12:], value & 0xFFFF_FFFF
    if value & ((1 << free) - 1):
        network = ipaddress.ip_network((packed, len(packed) * 8 - free), strict=False)
        raise BadEntry(
            f"'{text}' has host bits set",
            f"the network is {network}, the single address is {host}",
        )
    return len(packed), value, free, zone


def _packed(host: str) -> bytes | None:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError):  # ValueError: a NUL or a surrogate in it
        return None


def _bad_address(text: str, host: str) -> BadEntry:
    if re.fullmatch(r"[0-9.]+-[0-9.]+", text):
        return BadEntry(
            f"'{text}' is a range, which is not supported", "write a network: 10.0.0.0/29"
        )
    if "*" in text:
        return BadEntry(f"'{text}' has a wildcard", "write a network: 10.0.0.0/24")
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|[0-9]+", host):
        return BadEntry(f"'{text}' is a bare number, not an address", "write it as 10.0.0.1")
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}:[0-9]+", text):
        return BadEntry(f"'{text}' has a port", f"write the address alone: {text.split(':')[0]}")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)*", host):
        parts = host.split(".")
        if len(parts) == 4 and any(len(part) > 1 and part[0] == "0" for part in parts):
            return BadEntry(
                f"'{text}' has a leading zero, which some programs read as octal",
                "write " + ".".join(str(int(part[:9])) for part in parts),
            )
        return BadEntry(f"'{text}' is not an IPv4 address", "four numbers from 0 to 255: 10.0.0.1")
    if ":" in host or host.startswith("["):
        return BadEntry(
            f"'{text}' is not an IPv6 address", "example: 2001:db8::1, without brackets"
        )
    return BadEntry(f"'{text}' is neither an address, a network nor a group")


def never_matches(entry: Range) -> str:
    """Why no host can have the address ('it is a loopback address'), or ''."""
    width, value, free, _ = entry
    if width == 4 and value >> 24 == 127:
        return "every host has the loopback addresses, so Torch ignores them"
    if width == 16 and value == 1 and not free:
        return "every host has the loopback address, so Torch ignores it"
    if width == 16 and 1 < value <= 0xFFFF_FFFF:
        inner = ipaddress.IPv4Address(value)
        return f"it is an IPv4-compatible address, which no host has; write {inner}"
    if not free and (value == 0 or value >> (width * 8 - (4 if width == 4 else 8)) in (0xE, 0xFF)):
        return "no host has the unspecified or a multicast address"
    return ""


class Owner:
    """A host with these addresses, as the owner of a file's tasks. Each entry and each group is
    matched once, however many tasks name it: a file costs what its size is, and not its groups
    times its tasks."""

    def __init__(self, groups: Mapping[str, Sequence[str]], addresses: Collection[Address]) -> None:
        self._groups = groups
        self._mine = tuple(read_range(str(address)) for address in addresses)
        self._prefixes: dict[tuple[int, int], set[int]] = {}  # (bytes, free bits) -> of the host
        self._known: dict[str, bool] = {}  # entry, without `!` -> whether the host is in it

    def owns(self, hosts: Sequence[str]) -> bool:
        """Whether the host runs a task with this `hosts` list ('()': every host).

        The entries have been checked: each is a range or a name in the groups, perhaps after `!`.
        """
        included, only_exclusions = False, True
        for entry in hosts:
            if entry[0] == "!":
                if self._is_in(entry[1:]):
                    return False
            else:
                only_exclusions = False
                included = included or self._is_in(entry)
        return included or only_exclusions

    def _is_in(self, entry: str) -> bool:
        known = self._known.get(entry)
        if known is None:
            texts = self._groups.get(entry, (entry,))
            known = self._known[entry] = any(self._matches(read_range(text)) for text in texts)
        return known

    def _matches(self, entry: Range) -> bool:
        """`covers` of one of the host's addresses, of which a router has hundreds."""
        width, value, free, zone = entry
        if zone:
            return any(covers(entry, own) for own in self._mine)
        mine = self._prefixes.get((width, free))
        if mine is None:
            mine = {own[1] >> free for own in self._mine if own[0] == width}
            self._prefixes[width, free] = mine
        return value >> free in mine


def owns(
    hosts: Sequence[str], groups: Mapping[str, Sequence[str]], addresses: Collection[Address]
) -> bool:
    """The same for one task."""
    return Owner(groups, addresses).owns(hosts)


def covers(entry: Range, place: Range) -> bool:
    """Whether an entry takes in every address of a place, which is an address or a network."""
    width, value, free, zone = entry
    return (
        place[0] == width
        and place[2] <= free
        and place[1] >> free == value >> free
        and (not zone or zone == place[3])
    )


def host_addresses(explicit: str | None = None) -> frozenset[Address]:
    """This host's addresses: the one given (`--address`), or those of its interfaces.

    Never loopback ones; empty for a host without a network. Raises BadEntry for a bad `explicit`.
    """
    if explicit is not None:
        width, _, free, _ = read_range(explicit)
        if free or "/" in explicit:
            raise BadEntry(f"'{explicit}' is a network; write a single address")
        address = ipaddress.ip_address(explicit)
        mapped = getattr(address, "ipv4_mapped", None)
        return frozenset({mapped if width == 4 and mapped else address})
    import psutil  # 20 ms that a host with a given address does not pay

    found = set()
    for interface in psutil.net_if_addrs().values():
        for each in interface:
            if each.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(each.address)
                address = getattr(address, "ipv4_mapped", None) or address
                if not address.is_loopback:
                    found.add(address)
    return frozenset(found)
