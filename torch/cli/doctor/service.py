"""Checks of the service: its task file, whether it lives, and its history."""

from __future__ import annotations

import os

from torch import __version__
from torch.cli.doctor.subject import Finding, Subject, bad, ok, warn
from torch.clock import rfc3339
from torch.errors import NotPermitted, NotRunning, TorchError
from torch.history import query
from torch.history.integrity import Looked, look
from torch.task import IN_TROUBLE

_PATIENCE = 2.0
"""Seconds that may be spent on looking through the history."""

_AHEAD = 5.0
"""Seconds by which a row may be ahead of now: the clock is corrected by little all the time."""


def task_file(subject: Subject) -> Finding:
    found = subject.file
    path = subject.settings.task_file
    if found.refused:
        first = found.refused[0]
        more = f" (and {len(found.refused) - 1} more)" if len(found.refused) > 1 else ""
        return bad(
            f"refused: {first.place()}: {first.message}{more}", first.hint or f"torch check {path}"
        )
    tasks = f"{path}: {len(found.tasks)} task{'' if len(found.tasks) == 1 else 's'} for this host"
    if found.problems:
        first = found.problems[0]
        return warn(f"{tasks}; {first.place()}: {first.message}", f"see: torch check {path}")
    if not found.tasks:
        return warn(tasks, "check the address: torch plan shows it, --address sets it")
    return ok(tasks)


def service(subject: Subject) -> Finding:
    answer = subject.answer
    settings = subject.settings
    if isinstance(answer, NotRunning):
        if not os.path.exists(settings.history):
            return warn(
                f"no service has run yet with {settings.state_dir}", "start it: torch start"
            )
        return bad(
            f"it is not running ({settings.where})",
            f"torch start; {settings.log} shows why it ended",
        )
    if isinstance(answer, NotPermitted):
        return bad(str(answer.message), "run torch doctor as the service's user or root")
    if isinstance(answer, TorchError):
        return bad(
            str(answer.message),
            answer.hint or f"see {settings.log}; torch restart keeps active runs",
        )
    if answer["stopping"]:
        return warn(f"pid {answer['pid']} is stopping", "wait, or: torch stop --now")
    if not answer["ready"]:
        return warn(f"pid {answer['pid']} is not ready yet", "check again in a moment")
    version = answer.get("torch")
    if version != __version__:
        return warn(
            f"the service is torch {version or 'of an older version'}, this command is"
            f" {__version__}",
            "torch restart; active runs continue",
        )
    if answer["version"]["problem"]:
        return bad(
            f"the task file on disk is refused: {answer['version']['problem']}",
            "fix it; the version before stays in effect until then",
        )
    unit = answer.get("unit")
    by = f", started by systemd as {unit['name']}" if unit else ""
    return ok(f"pid {answer['pid']} is ready, as {answer['address']}{by}")


def tasks(subject: Subject) -> Finding:
    if isinstance(subject.answer, TorchError):
        return ok("not checked: no answer")
    states = {task["name"]: task["state"] for task in subject.answer["tasks"]}
    trouble = [name for name, state in states.items() if state in IN_TROUBLE]
    if not trouble:
        return ok("none is failing")
    names = ", ".join(trouble[:5]) + (f" and {len(trouble) - 5} more" if trouble[5:] else "")
    does = "is" if len(trouble) == 1 else "are"
    return warn(f"{names} {does} failing", f"torch explain {trouble[0]}; torch logs {trouble[0]}")


def channels(subject: Subject) -> Finding:
    """Whether the messages of the service arrive."""
    if isinstance(subject.answer, TorchError):
        return ok("not checked: no answer")
    known = subject.answer.get("alerts", {}).get("channels", [])
    failing = [channel for channel in known if channel["problem"]]
    if not known:
        return ok("the task file has none: failures are not notified")
    if not failing:
        waiting = sum(channel["waiting"] for channel in known)
        return ok(f"{len(known)}, none is failing" + (f"; {waiting} pending" if waiting else ""))
    first = failing[0]
    more = f" (and {len(failing) - 1} more)" if failing[1:] else ""
    return bad(
        f"{first['name']} has been failing since {first['failing_since']}: {first['problem']}; "
        f"{first['waiting']} pending{more}",
        f"fix it, then: torch notify test {first['name']}",
    )


def history(subject: Subject) -> Finding:
    path = subject.settings.history
    if not os.path.exists(path):
        return ok("no history yet")
    size = f"{os.stat(path).st_size / 2**20:.1f} MiB"
    until = subject.mono() + _PATIENCE
    try:
        rows = query.runs(path, limit=1)
        looked, said = look(path, over=lambda: subject.mono() > until)
    except TorchError as error:
        return bad(error.message, error.hint)
    if looked is Looked.DAMAGED:
        return bad(
            f"{path} is damaged: {said}",
            "the service moves it aside and begins a new one when it finds it, or: torch restart",
        )
    newest = max((t for row in rows for t in (row.started_at, row.ended_at) if t), default=0.0)
    if newest > subject.now + _AHEAD:
        return warn(
            f"its newest record is of {rfc3339(newest)}, in the future: the clock was set back",
            "correct the clock",
        )
    part = (
        "fully checked, no damage"
        if looked is Looked.SOUND
        else "partly checked (it is large), no damage"
    )
    return ok(f"{path}, {size}: {part}")
