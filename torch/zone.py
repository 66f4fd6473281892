"""Time zones: which one this host is in, and the offsets of each.

Owns the key of a zone, a text under which every part of Torch speaks of it: an IANA name; a rule
as POSIX writes it in TZ (`CET-1CEST,M3.5.0,M10.5.0/3`); or, for a zone file that has no name,
`local (/etc/localtime 1a2b3c4d)`, with a checksum of its content, so that another content is
another zone. Only the host's own zone can be a rule or a file: a task file names zones.

A process looks for its host's zone once, or is told: the service takes it with a task file, so
that schedules, status and log change at one moment. Must not read the time.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from io import BytesIO
from zlib import crc32

from torch.errors import SettingsError

LOCALTIME = "/etc/localtime"
TIMEZONE = "/etc/timezone"
_LARGEST = 1 << 20  # bytes of a zone file; the largest of the database has 4 KiB
_LOCAL = re.compile(r"local \((?P<path>/.*) [0-9a-f]{8}\)", re.DOTALL)
_RULE = re.compile(r"([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?[0-9](?!.*,[0-9])")
_ALIASES = ("localtime", "posixrules")
"""Files of the database that are not zones, but stand for that of a host."""
_COPIES = ("posix", "right")
"""Folders of the database that hold every zone again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostZone:
    """`key`: see above. `data`: of a zone file that has no name, its bytes; else empty."""

    key: str
    data: bytes = b""


# ── the zone of this process ──────────────────────────────────────────────────────────────

_current: HostZone | None = None
_known: dict[str, tzinfo] = {}


def current() -> HostZone:
    """The zone that this process shows times in, and reads schedules without `timezone` in.
    Raises SettingsError."""
    global _current
    if _current is None:
        _current = find(os.environ)
    return _current


def adopt(zone: HostZone) -> None:
    """From now on this is the zone of the host, to this process."""
    global _current
    know(zone)
    _current = zone


def adopt_key(key: object) -> None:
    """The same by the key, as another process told it. A zone that is not to be had here, such as
    a file that has changed since, changes nothing."""
    with contextlib.suppress(LookupError, ValueError, OSError):
        if isinstance(key, str) and (_current is None or key != _current.key):
            of(key)
            adopt(HostZone(key=key))


def know(zone: HostZone) -> None:
    """Its key can be used from now on."""
    if zone.data and zone.key not in _known:
        _known[zone.key] = _read(zone.data, zone.key)


def environ(of_ours: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that is to have the same zone."""
    key = current().key
    match = _LOCAL.fullmatch(key)
    return {**of_ours, "TZ": f":{match['path']}" if match else key}


# ── the zone of a key ─────────────────────────────────────────────────────────────────────


def of(key: str) -> tzinfo:
    """The zone of a key. Raises ValueError, OSError or LookupError for none of this host."""
    if key in _known:
        return _known[key]
    if is_zone(key):
        from zoneinfo import ZoneInfo  # 5 ms that not every command pays

        _known[key] = ZoneInfo(key)
    elif match := _LOCAL.fullmatch(key):
        found = of_path(match["path"])
        if found is None or found.key != key:
            raise LookupError(f"{match['path']} is another zone by now")
        know(found)
    else:
        _known[key] = _read(_of_rule(key), key)
    return _known[key]


@lru_cache(maxsize=1024)
def agree(one: str, other: str, at: int) -> bool:
    """Whether the clocks of two zones show the same in the year from `at` (epoch seconds) on."""
    if one == other:
        return True
    instants = [datetime.fromtimestamp(at + week * 7 * 86_400, UTC) for week in range(54)]
    first, second = of(one), of(other)
    return all(first.utcoffset(i.astimezone(first)) == second.utcoffset(i.astimezone(second))
               for i in instants)  # fmt: skip


def is_zone(name: str) -> bool:
    """Whether `name` is an IANA zone this host knows. Never opens a path made from bad input."""
    if not name or name.startswith(("/", ".")) or ".." in name or name in _ALIASES:
        return False
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True


def names() -> frozenset[str]:
    """Every IANA zone name this host knows; slow (it walks the database), for suggestions only."""
    from zoneinfo import available_timezones

    return frozenset(available_timezones()) - {*_ALIASES}


def is_rule(text: str) -> bool:
    """Whether it is a rule as POSIX has it for TZ: `EST5`, `CET-1CEST,M3.5.0,M10.5.0/3`."""
    try:
        found = _read(_of_rule(text), text)
        for month in (1, 7):  # an offset of a day or more is noticed here
            datetime(2026, month, 1, tzinfo=found).utcoffset()
    except ValueError:
        return False
    return True


def _of_rule(text: str) -> bytes:
    """A zone file that holds nothing but the rule; zoneinfo reads it from there, as of the zones
    of the database for the years ahead. Raises ValueError. Source: RFC 8536.

    A day that is counted from 0 (`,59`) is refused: zoneinfo takes it for the day before."""
    if not _RULE.match(text) or not (text.isascii() and text.isprintable()):
        raise ValueError(f"{text!r} is not a rule")
    head = b"TZif2" + bytes(15 + 16) + b"\0\0\0\1" + b"\0\0\0\4"  # one local time, one name
    block = head + bytes(6) + b"LMT\0"
    return block + block + b"\n" + text.encode() + b"\n"


def _read(data: bytes, key: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo.from_file(BytesIO(data), key=key)
    except ValueError:
        raise
    except Exception as error:  # cut off, or rubbish: struct.error, IndexError, …
        raise ValueError(f"not a zone file: {error}") from error


# ── the zone of the host ──────────────────────────────────────────────────────────────────


def find(environ: Mapping[str, str]) -> HostZone:
    """TZ, /etc/localtime, /etc/timezone, UTC: the first that is there. Raises SettingsError for a
    TZ that means nothing: the C library would take it for UTC without a word.

    The order is glibc's and systemd's.
    """
    if "TZ" in environ:
        return _of_text(environ["TZ"])
    return of_path(LOCALTIME) or HostZone(key=_named() or "UTC")


def _of_text(said: str) -> HostZone:
    """What TZ says. As for glibc a colon in front means nothing, and an empty TZ is UTC."""
    text = said.removeprefix(":")
    if not text:
        return HostZone(key="UTC")
    if text.startswith("/") or text == "localtime":
        path = text if text.startswith("/") else LOCALTIME
        if (found := of_path(path)) is not None:
            return found
        why = f"TZ is '{said}', which is not a time zone file"
    elif is_zone(text) or is_rule(text):
        return HostZone(key=text)
    else:
        why = f"TZ is '{said}', which is not a time zone of this host"
    hint = "unset TZ, or set it to a name such as Asia/Tokyo or a rule such as CET-1CEST,M3.5.0,"
    raise SettingsError(why, hint=f"{hint}M10.5.0/3")


def of_path(path: str) -> HostZone | None:
    """The zone of a file: by the name that a link leads to, by the zone that has the same bytes,
    else the file itself. None where there is no zone file."""
    _, below, name = os.path.realpath(path).partition("zoneinfo/")
    name = re.sub(rf"\A({'|'.join(_COPIES)})/", "", name)
    if below and is_zone(name):
        return HostZone(key=name)
    data = _bytes(path)
    if not data.startswith(b"TZif"):
        return None
    if (known := _name_of(data)) is not None:
        return HostZone(key=known)
    found = HostZone(key=f"local ({path} {crc32(data):08x})", data=data)
    try:
        know(found)
    except ValueError:
        return None
    return found


def _bytes(path: str) -> bytes:
    """Of a regular file: a FIFO of that name holds nobody up."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # the latter: a NUL in the path
        return b""
    try:
        return os.read(fd, _LARGEST) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(fd)


def _named() -> str | None:
    """The zone that /etc/timezone names."""
    name = _bytes(TIMEZONE).decode("ascii", "replace").strip()
    return name if is_zone(name) else None


def _name_of(data: bytes) -> str | None:
    """The zone whose file has these bytes; of several that of /etc/timezone, or the one that the
    database calls by its main name. None: no such zone, as in a file of another version."""
    named = _named()
    same = {name for name, path in _database() if _is(path, data)}
    if named in same:
        return named
    for table in ("zone1970.tab", "zone.tab"):
        for root in _roots():
            listed = set(re.findall(r"^[^#\t]+\t\S+\t(\S+)", _text(f"{root}/{table}"), re.M))
            if found := sorted(same & listed):
                return found[0]
    return "UTC" if "UTC" in same else min(same, default=None)


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _is(path: str, data: bytes) -> bool:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size == len(data) and _bytes(path) == data
    return False


def _database() -> Iterator[tuple[str, str]]:
    """(name, path) of every zone that this host has a file of."""
    for root in _roots():
        for folder, below, files in os.walk(root):
            if folder == root:
                below[:] = [name for name in below if name not in _COPIES]
            for file in files:
                path = f"{folder}/{file}"
                name = path[len(root) + 1 :]
                if name not in _ALIASES:
                    yield name, path


def _roots() -> tuple[str, ...]:
    from zoneinfo import TZPATH

    return tuple(TZPATH)
