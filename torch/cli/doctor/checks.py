"""The list of checks, in the order in which they are told: what all else stands on comes first.

Owns the order and the names; `--json` and scripts know a check by its name.
"""

from __future__ import annotations

from collections.abc import Callable

from torch.cli.doctor import crontabs, host, place, program, service
from torch.cli.doctor.subject import Finding, Subject, warn

CHECKS: tuple[tuple[str, Callable[[Subject], Finding]], ...] = (
    ("python", program.python),
    ("libraries", program.libraries),
    ("package", program.pytorch),
    ("command", program.command),
    ("clock", host.clock),
    ("zone", host.zone),
    ("open files", host.open_files),
    ("watching", host.watches),
    ("folders", place.folders),
    ("room", place.room),
    ("task file", service.task_file),
    ("programs", program.programs),
    ("crontabs", crontabs.crontabs),
    ("history", service.history),
    ("service", service.service),
    ("tasks", service.tasks),
    ("channels", service.channels),
)


def examine(subject: Subject) -> list[tuple[str, Finding]]:
    """Every check; one that fails itself hides no other."""
    found = []
    for name, check in CHECKS:
        try:
            found.append((name, check(subject)))
        except Exception as error:  # noqa: BLE001  # said as what it is, with its name
            sentence = f"this could not be checked: {error or type(error).__name__}"
            found.append((name, warn(sentence, "run torch doctor as the service's user")))
    return found
