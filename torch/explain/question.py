"""Why a task did, or did not, run at a time: asked here, by the command and by every other way.

Owns the way from a question to its answer: the time in the task's zone, the evidence, the words.
Must not know how an answer is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.clock import rfc3339
from torch.explain import moment
from torch.explain.answer import explain
from torch.explain.evidence import Asked, Evidence
from torch.explain.fates import Explanation
from torch.explain.gathering import Gathering
from torch.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """`service`: what the service says of the task; {} where none answered."""

    evidence: Evidence
    told: Explanation
    service: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The document of `torch explain --json`."""
        evidence, told = self.evidence, self.told
        asked = evidence.asked
        return {
            "task": evidence.name,
            "timezone": evidence.zone,
            "asked": asked and {"from": rfc3339(asked.first), "to": rfc3339(asked.last)},
            "kind": told.kind,
            "fire_time": rfc3339(evidence.fire),
            "verdict": told.verdict,
            "details": list(told.details),
            "changes": list(told.changes),
            "previous": rfc3339(evidence.previous),
            "next": rfc3339(evidence.next),
            "runs": [row.as_json() for row in evidence.rows],
        }


def ask(settings: Settings, task: str, time: str, *, now: float) -> Explained:
    """`time` as a person types it; '' for the newest fire, or the next one. `now` in wall seconds.
    Raises UsageError for an unknown task and for what is no time, and what keeps a service that
    is running from being asked."""
    found = Gathering(settings, task, now)
    if found.unreachable is not None:
        raise found.unreachable
    return answer(found, time, now=now)


def answer(found: Gathering, time: str, *, now: float) -> Explained:
    """The same from what is known, whether a service that is running answered or not."""
    asked = None
    if time:
        at = moment.read(time, now=now, zone=found.zone)
        asked = Asked(first=at.first, last=at.last, text=at.text, note=at.note)
    evidence = found.evidence(asked)
    return Explained(evidence=evidence, told=explain(evidence), service=found.service)
