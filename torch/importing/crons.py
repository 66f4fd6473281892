"""Which cron read a crontab, where crons differ in what a line means.

Owns the names and the guess. Debian's cron is the reference (`crontab(5)`, 3.0pl1-162); cronie is
the cron of Red Hat, Fedora, SUSE and Arch; supercronic that of many containers. The spool's path
tells the first two apart, fields that only supercronic reads tell the third.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Cron(StrEnum):
    """The crons whose reading of a crontab is known here."""

    DEBIAN = "debian"
    CRONIE = "cronie"
    SUPERCRONIC = "supercronic"


def of_paths(paths: Iterable[str]) -> Cron | None:
    """What the paths of a host's crontabs say of its cron, or None.

    Debian keeps users' crontabs in /var/spool/cron/crontabs, cronie in /var/spool/cron itself
    or, on SUSE, in /var/spool/cron/tabs.
    """
    found = {_SPOOLS[place] for path in paths if (place := _spool(path)) in _SPOOLS}
    return found.pop() if len(found) == 1 else None


_SPOOLS = {
    ("cron", "crontabs"): Cron.DEBIAN,
    ("spool", "cron"): Cron.CRONIE,
    ("cron", "tabs"): Cron.CRONIE,
}


def _spool(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple(parts[-3:-1]) if "spool" in parts[:-2] else ()
