"""How long to wait before the next try. Pure arithmetic, in seconds."""

from __future__ import annotations

from torch.task import Restart

CRASH_LOOP = 3
"""Deaths in a row, each before `healthy_after`, that make a daemon task crash-looping."""


def restart_delay(policy: Restart, failures: int) -> float:
    """Seconds until a daemon run comes back after `failures` unhealthy deaths in a row.

    The first death waits `delay`, each further one twice as long, at most `max_delay`.
    """
    doublings = min(max(failures - 1, 0), 63)  # 2**63 s is past every max_delay; no giant ints
    return float(min(policy.delay * 2**doublings, policy.max_delay))
