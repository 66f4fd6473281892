"""Whose fault it was that a run did not begin: the host's and Torch's, or the task's.

A reaper says it in words alone, and an older one does not know the difference, so it is told by
how these begin; tests/daemon/test_refusals.py holds them against the reaper.
"""

from __future__ import annotations

_HOST = (
    "its output cannot be ",
    "its start could not be written down",
    "the process could not be started",
    "a link to ",
    "it never began",
)


def is_hosts(reason: str) -> bool:
    """Whether no edit of the task would help."""
    return reason.startswith(_HOST)
