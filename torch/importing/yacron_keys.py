"""What the keys of an entry of yacron or cronstable are in a task.

Defaults that differ from ours are written out (`utc`, `killTimeout`) or said once in a note. Keys
that have no place in a task are listed by `yacron_missing`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.importing import exports, naming, percent, privileges, yacron_time
from torch.importing.draft import Value
from torch.importing.yacron_missing import OUTPUT
from torch.importing.yacron_values import (
    NotATask,
    number_of,
    scalar_of,
    seconds_of,
    text_of,
    truth_of,
)
from torch.taskfile import durations
from torch.taskfile.nodes import Mapping, Scalar, Sequence

_NICE = {"idle": 19, "below-normal": 10, "above-normal": -5, "high": -10}
_MOST = 100  # attempts

ALLOW = (
    "in yacron, runs can overlap (concurrencyPolicy Allow); here a run is skipped while another "
    "one is active (max: 1). 'max: 2' allows two, 'overlap: queue' queues one."
)
STDERR = (
    "in yacron, output on stderr is a failure (failsWhen.producesStderr); in Torch only the exit "
    "code decides, and 'success_codes' lists the codes that are a success."
)
ENVIRONMENT = (
    "yacron runs commands in its own environment and directory, Torch in a clean environment and "
    "in /. To set them, use 'env', 'env_file' and 'cwd'."
)
REBOOT = (
    "yacron ran it at each of its own starts; Torch runs it once per boot of the host, when the "
    "first service of the boot starts. If it must run all the time, use 'type: daemon'"
)
KEPT = "Torch keeps the end of all output in files: see 'output' and torch logs TASK."


@dataclass(slots=True)
class Keys:
    """What an entry becomes."""

    name: str = ""  # as it stands there
    names: tuple[str, ...] = ()
    keys: dict[str, Value] = field(default_factory=dict)
    reviews: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(entry: Mapping) -> Keys:
    """The task that an entry is, `defaults` merged. Raises NotATask."""
    found = Keys()
    _launch(entry, found)
    _times(entry, found)
    _policies(entry, found)
    _failures(entry, found)
    if not truth_of(entry.get("enabled"), "enabled", default=True):
        found.keys["enabled"] = False
    name = text_of(entry, "name") or ""
    found.name = name
    cleaned = naming.clean(name)
    if name and cleaned != name:
        found.reviews.append(f"its name was '{name}'")
    command = found.keys["command"]
    assert isinstance(command, str | tuple)  # noqa: S101  # _launch has set it
    found.names = (cleaned,) if cleaned else naming.candidates(command)
    found.notes.append(ENVIRONMENT)
    if OUTPUT & entry.entries.keys():
        found.notes.append(KEPT)
    return found


def _launch(entry: Mapping, found: Keys) -> None:
    node, keys = entry.get("command"), found.keys
    command: str | tuple[str, ...] = ""
    if isinstance(node, Sequence):
        command = tuple(scalar_of(each, "command") for each in node.items)
    elif isinstance(node, Scalar):
        command = node.text if node.text.strip() else ""
    if not command:
        raise NotATask("it has no command")
    for theirs, ours in (("user", "user"), ("group", "group"), ("workingDirectory", "cwd")):
        if value := text_of(entry, theirs):
            keys[ours] = value
    shell = text_of(entry, "shell") or "/bin/sh"
    if "/" not in shell:
        found.reviews.append(f"shell '{shell}' was looked for in yacron's PATH")
        shell = f"/bin/{shell}"
    if shell != "/bin/sh" and isinstance(command, str):
        keys["shell"] = shell
    env, inside = exports.split(_environment(entry), str(keys.get("user", "")))
    if env:
        keys["env"] = env
    if inside:
        if not isinstance(command, str) or not percent.is_posix(shell):
            raise NotATask("its variables are not allowed in 'env' together with 'user'")
        command = inside + command
        found.reviews.append(exports.REVIEW)
    keys["command"] = command
    found.reviews += privileges.review(command, str(keys.get("user", "")))
    if path := text_of(entry, "env_file"):
        if not path.startswith("/"):
            raise NotATask(f"env_file '{path}' is not an absolute path")
        keys["env_file"] = path
        found.reviews.append("Torch reads env_file at each start, and its mode must be 0600")
    priority = text_of(entry, "priority") or "normal"
    if priority in _NICE:
        keys["nice"] = _NICE[priority]
    elif priority != "normal":
        raise NotATask(f"priority '{priority}' is unknown")


def _environment(entry: Mapping) -> dict[str, str]:
    listed = entry.get("environment")
    if listed is None:
        return {}
    if not isinstance(listed, Sequence):
        raise NotATask("environment is not a list")
    env = {}
    for each in listed.items:
        if not isinstance(each, Mapping) or not {"key", "value"} <= each.entries.keys():
            raise NotATask("environment has an entry without key and value")
        env[text_of(each, "key") or ""] = text_of(each, "value") or ""
    return env


def _times(entry: Mapping, found: Keys) -> None:
    schedule = entry.get("schedule")
    try:
        if isinstance(schedule, Scalar):
            expression, reviews = yacron_time.of_text(schedule.text)
        elif isinstance(schedule, Mapping):
            fields = {name: scalar_of(node, name) for name, (_, node) in schedule.entries.items()}
            if unknown := sorted(fields.keys() - set(yacron_time.FIELDS)):
                raise NotATask(f"schedule.{unknown[0]} is unknown")
            expression, reviews = yacron_time.of_fields(fields)
        else:
            raise NotATask("it has no schedule")
    except yacron_time.NoExpression as error:
        raise NotATask(f"schedule: {error}") from error
    found.keys["schedule"] = expression
    found.reviews += reviews
    zone = text_of(entry, "timezone")
    if expression.lower() == "@reboot":
        found.reviews.append(REBOOT)
        return
    if zone:
        found.keys["timezone"] = zone
    elif truth_of(entry.get("utc"), "utc", default=True):
        found.keys["timezone"] = "UTC"


def _policies(entry: Mapping, found: Keys) -> None:
    keys = found.keys
    policy = text_of(entry, "concurrencyPolicy") or "Allow"
    if policy == "Replace":
        keys["overlap"] = "replace"
    elif policy == "Forbid":
        keys["overlap"] = "skip"
    elif policy == "Allow":
        found.notes.append(ALLOW)
    else:
        raise NotATask(f"concurrencyPolicy '{policy}' is unknown")
    missed = text_of(entry, "onMissed") or "skip"
    deadline = seconds_of(entry, "startingDeadlineSeconds")
    if missed not in ("skip", "run-once", "run-all"):
        raise NotATask(f"onMissed '{missed}' is unknown")
    if missed == "run-once" and deadline:
        keys["start_within"] = durations.write_seconds(deadline)
    elif missed != "skip":
        keys["catch_up"] = "last" if missed == "run-once" else "all"
        if deadline:
            found.reviews.append(f"startingDeadlineSeconds {deadline:g}: 'all' has no such limit")
    elif deadline:
        found.reviews.append(f"startingDeadlineSeconds {deadline:g} has no effect without onMissed")
    if timeout := seconds_of(entry, "executionTimeout"):
        keys["timeout"] = durations.write_seconds(timeout)
    grace = seconds_of(entry, "killTimeout")
    keys["grace"] = durations.write_seconds(30.0 if grace is None else grace)


def _failures(entry: Mapping, found: Keys) -> None:
    fails = entry.get("failsWhen")
    stderr = fails.get("producesStderr") if isinstance(fails, Mapping) else None
    if truth_of(stderr, "failsWhen.producesStderr", default=True):
        found.notes.append(STDERR)
    failure = entry.get("onFailure")
    retry = failure.get("retry") if isinstance(failure, Mapping) else None
    if not isinstance(retry, Mapping):
        return
    attempts = seconds_of(retry, "maximumRetries", low=-1)
    if not attempts:
        return
    if attempts < 0 or attempts > _MOST:
        found.reviews.append(
            f"maximumRetries {attempts:g}: at most {_MOST} in Torch. If it must run all the time, "
            "use 'type: daemon'"
        )
        attempts = _MOST
    delay = number_of(retry, "initialDelay", 1.0)
    longest = number_of(retry, "maximumDelay", 300.0)
    backoff = number_of(retry, "backoffMultiplier", 2.0)
    if not 1 <= backoff <= 10:
        found.reviews.append(f"backoffMultiplier {backoff:g}: from 1 to 10 in Torch")
        backoff = min(max(backoff, 1.0), 10.0)
    if longest < delay:
        found.reviews.append(f"maximumDelay {longest:g} is below initialDelay")
        longest = delay
    found.keys["retry"] = {
        "attempts": int(attempts),
        "delay": durations.write_seconds(delay),
        "backoff": backoff,
        "max_delay": durations.write_seconds(longest),
    }
