"""A time zone in which it is nearly half past three, whenever one asks.

Owns the file of the zone. So fires of `30 3 * * *` are real ones, of a real clock, and the same
screens show the same hour by day and by night. Only the date and the seconds differ.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

ZONE = "Europe/Berlin"
"""A name that tasks could have. Its file is ours, and knows no summer time."""
HALF_PAST_THREE = 3 * 3600 + 30 * 60
_DAY = 86_400


def environ(folder: Path, *, seconds_before: float) -> dict[str, str]:
    """Variables under which it is now so long before 03:30:00; writes the zone below `folder`."""
    ahead = int(HALF_PAST_THREE - seconds_before - time.time()) % _DAY
    offset = ahead if ahead <= _DAY // 2 else ahead - _DAY
    file = folder / ZONE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_tzif(offset))
    # Python and the C library each have a variable of their own for where zones are.
    return {"TZ": ZONE, "TZDIR": str(folder), "PYTHONTZPATH": str(folder)}


def _tzif(offset: int) -> bytes:
    """One local time for ever, `offset` seconds east of UTC. Source: RFC 8536."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    block = header + struct.pack(">lbB", offset, 0, 0) + b"LMT\0"
    hours, rest = divmod(abs(offset), 3600)
    sign = "-" if offset > 0 else ""  # POSIX counts to the west
    rule = f"<LMT>{sign}{hours}:{rest // 60:02}:{rest % 60:02}"
    return block + block + f"\n{rule}\n".encode()
