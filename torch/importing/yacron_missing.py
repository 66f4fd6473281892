"""Keys of yacron and cronstable that no task can have, by name and with the reason.

Owns the tables: what has a place in a task (`yacron_keys` reads it), what only says how output is
shown, and why the rest has none.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch.importing.yacron_values import says
from torch.taskfile import nodes
from torch.taskfile.nodes import Mapping, Scalar

_MAPPED = frozenset(
    "name command schedule shell concurrencyPolicy utc timezone onFailure environment env_file "
    "executionTimeout killTimeout user group enabled failsWhen onMissed startingDeadlineSeconds "
    "workingDirectory priority".split()
)
OUTPUT = frozenset(
    "captureStdout captureStderr saveLimit maxLineLength streamPrefix archiveOutput "
    "redactArchivedSecrets".split()
)
_RETRY = frozenset("maximumRetries initialDelay maximumDelay backoffMultiplier".split())
_REPORT = "to be notified of failures, use 'notify' and 'on_failure'"
_NO_PLACE = {
    "onSuccess": "Torch does not notify of a success",
    "onPermanentFailure": _REPORT,
    "onLate": _REPORT,
    "statsd": "Torch sends no metrics",
    "monitorResources": "Torch keeps no record of processor and memory",
    "sla": "'timeout' ends a run that takes too long; there is no other limit",
    "secrets": "put secrets into 'env_file'",
    "onlyIfLastSucceeded": "a run does not depend on the previous one",
    "concurrencyScope": "'max' is a limit for each host separately",
    "catchupJitterSeconds": "'jitter' spreads all starts, not only late ones",
    "stateAllowedScopes": "Torch keeps no state for tasks",
}


def without_place(entry: Mapping) -> Iterator[tuple[int, str, str]]:
    """(place, name, reason) of each key that no task can have."""
    for name, (key, value) in entry.entries.items():
        if name in _MAPPED:
            yield from _inner(name, value)
        elif name == "clusterPolicy":
            if not (isinstance(value, Scalar) and value.text == "EveryNode"):
                yield key.at, name, "each host that owns a task runs it; 'hosts' lists them"
        elif name not in OUTPUT:
            yield key.at, name, _NO_PLACE.get(name, "a task has no such key")


def _inner(name: str, value: nodes.Node) -> Iterator[tuple[int, str, str]]:
    """The same of keys inside a key that has a place."""
    if not isinstance(value, Mapping):
        return
    for inner, (key, each) in value.entries.items():
        if name == "onFailure" and inner != "retry":
            yield key.at, f"{name}.{inner}", _REPORT
        elif name == "onFailure" and isinstance(each, Mapping):
            for part, (place, _) in each.entries.items():
                if part not in _RETRY:
                    yield place.at, f"onFailure.retry.{part}", "'retry' has no such key"
        elif name == "failsWhen":
            wanted = {"producesStderr": None, "nonzeroReturn": True}.get(inner, False)
            if wanted is not None and not says(each, wanted):
                yield key.at, f"{name}.{inner}", "only the exit code decides whether a run failed"
