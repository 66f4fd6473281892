"""How long to wait before the next try. Pure arithmetic, in seconds."""

from __future__ import annotations

from torch.task import Restart, Retry

CRASH_LOOP = 3
"""Deaths in a row, each before `healthy_after`, that make a daemon task crash-looping."""


def restart_delay(policy: Restart, failures: int) -> float:
    """Seconds until a daemon run comes back after `failures` unhealthy deaths in a row.

    The first death waits `delay`, each further one twice as long, at most `max_delay`.
    """
    doublings = min(max(failures - 1, 0), 63)  # 2**63 s is past every max_delay; no giant ints
    return float(min(policy.delay * 2**doublings, policy.max_delay))


def retry_delay(policy: Retry, attempt: int) -> float:
    """Seconds between the end of the `attempt`-th attempt (from 1) and the next one."""
    if policy.delay <= 0:
        return 0.0
    try:
        return float(min(policy.delay * policy.backoff ** (attempt - 1), policy.max_delay))
    except OverflowError:
        return policy.max_delay
