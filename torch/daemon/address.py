"""The one address that names this host in `torch status`, where it has several."""

from __future__ import annotations

import socket

_ELSEWHERE = ("192.0.2.1", 9)  # TEST-NET-1 of RFC 5737: nobody's; nothing is sent


def primary_address() -> str:
    """The address that the way out of this host begins with; '' for a host without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return ""
