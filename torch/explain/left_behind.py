"""Processes that were left behind by runs that ended, as the service reports them.

Owns the question, which is asked only if the answer is shown: the service has to look at every
process of the host for it.
"""

from __future__ import annotations

from collections.abc import Container

from torch.errors import TorchError
from torch.report.text import harmless
from torch.settings import Settings


def of_runs(settings: Settings, run_ids: Container[str]) -> dict[str, tuple[str, ...]]:
    """'sleep (pid 123)' by run id; {} without a service, or one too old to know."""
    from torch.client.asking import ask

    found: dict[str, tuple[str, ...]] = {}
    try:
        answer = ask(settings, {"do": "left_behind"}, timeout=2)
    except TorchError:
        return {}
    for left in answer["left_behind"]:
        if left["run"] in run_ids:
            name = harmless(f"{left['name']} (pid {left['pid']})")
            found[left["run"]] = (*found.get(left["run"], ()), name)
    return found
