"""Lines of a crontab that set a variable, and what each of them is for a task.

Owns the form of such a line (Debian's `env.c`, load_env) and the meaning of the names that cron
itself looks at. A setting holds for the lines under it, so the readers ask at each line; of
supercronic's file all are set before the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from torch.importing import exports
from torch.importing.crons import Cron
from torch.importing.draft import Original, Remark, Value
from torch.zone import is_zone

SHELL = "/bin/sh"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MAIL = frozenset({"MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"})
_SPACE = " \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Setting:
    line: int
    source: str
    name: str
    value: str


def read(text: str) -> tuple[str, str] | None:
    """(name, value) of a line that sets a variable, or None for any other line."""
    text = text.lstrip(" \t")
    if text[:1] in ("'", '"'):
        name, quote, rest = text[1:].partition(text[0])
        if not quote or "=" in name:
            return None
    else:
        found = re.match(rf"[^={_SPACE}]*", text)
        name = found.group() if found else ""
        rest = text[len(name) :]
    rest = rest.lstrip(_SPACE)
    if rest[:1] != "=":
        return None
    rest = rest[1:].lstrip(_SPACE)
    if rest[:1] in ("'", '"'):
        value, quote, after = rest[1:].partition(rest[0])
        return (name, value.rstrip(_SPACE)) if quote and not after.strip(_SPACE) else None
    rest = rest.rstrip(_SPACE)
    return (name, rest) if rest or _NAME.fullmatch(name) else None


@dataclass(slots=True)
class Environment:
    """The settings in force at a line. `unused` are those that no task has had yet."""

    original: Original
    cron: Cron = Cron.DEBIAN
    settings: dict[str, Setting] = field(default_factory=dict)
    unused: dict[int, Setting] = field(default_factory=dict)

    def set(self, line: int, source: str, name: str, value: str) -> None:
        original = self.original
        setting = Setting(line, source, name, value)
        if not _NAME.fullmatch(name) or name.startswith("TORCH_"):
            original.unmapped(line, source, f"'{name}' cannot be the name of a variable in a task")
        elif name == "LOGNAME":
            original.add(Remark((f"{source.strip()}: cron ignores it",)))
        elif name == "CRON_TZ" and self.cron is not Cron.DEBIAN and not is_zone(value):
            original.unmapped(line, source, f"'{value}' is not a time zone of this host")
        elif name == "SHELL" and not value.startswith("/"):
            original.unmapped(line, source, "SHELL is not an absolute path")
        elif name == "HOME" and not value.startswith("/"):
            original.unmapped(line, source, "HOME is not an absolute path")
        else:
            self.settings[name] = self.unused[line] = setting
            if said := _review(setting, self.cron):
                original.add(Remark((said,), review=True))

    def keys(self, command: str, user: str) -> tuple[dict[str, Value], str]:
        """The keys of a task at this line, and the command with what cannot be a key in it."""
        keys: dict[str, Value] = {}
        env: dict[str, str] = {}
        for name, setting in self.settings.items():
            if name == "CRON_TZ" and self.cron is not Cron.DEBIAN:
                keys["timezone"] = setting.value
            elif name == "SHELL":
                if setting.value != SHELL:
                    keys["shell"] = setting.value
            elif name in _MAIL and not re.search(rf"\$\{{?{name}\b", command):
                continue
            else:
                env[name] = setting.value
        if "HOME" in self.settings:
            keys["cwd"] = self.settings["HOME"].value
        kept, inside = exports.split(env, user)
        if kept:
            keys["env"] = kept
        return keys, inside

    def used(self) -> None:
        """A task has the settings of this line."""
        for setting in self.settings.values():
            self.unused.pop(setting.line, None)

    def shell(self) -> str:
        return self.settings["SHELL"].value if "SHELL" in self.settings else SHELL


def _review(setting: Setting, cron: Cron) -> str:
    """What a person should know of a setting, '' for most."""
    name, value = setting.name, setting.value
    written = f"{name}={value if len(value) <= 200 else value[:200] + '…'}"
    if not value and setting.source.rstrip(_SPACE).endswith("="):
        return f"{written}: cronie reads an empty value; Debian's cron requires quotes"
    if name == "MAILTO":
        if not value:
            return f'{name}="": cron mailed no output; Torch keeps it in files'
        return (
            f"{written}: cron mailed all output to this address; Torch keeps it in files. To be "
            "notified of failures, use 'notify' and 'on_failure'"
        )
    if name in _MAIL:
        return f"{written}: cron used it for its mails; Torch does not"
    if name == "TZ":
        return (
            f"{written}: as in cron, only the commands get this variable; the schedules are in "
            "the host's zone. To change their zone, use 'timezone'"
        )
    if name == "CRON_TZ" and cron is Cron.DEBIAN:
        return (
            f"{written}: Debian's cron ignores it, so the schedules are in the host's zone. If "
            "this is a crontab of cronie (Red Hat, SUSE, Arch), import it with --cron cronie, "
            "and it becomes 'timezone'"
        )
    if name == "CRON_TZ":
        where = "of the whole file" if cron is Cron.SUPERCRONIC else "under it"
        return f"{written}: {cron} reads the times {where} in this zone, and so does Torch"
    if name in ("RANDOM_DELAY", "START_HOURS_RANGE"):
        jitter = f"; 'jitter: {value}m' has the same effect" if value.isdecimal() else ""
        return f"{written}: cronie and anacron use it, Debian's cron does not{jitter}"
    if "$" in value:
        return f"{written}: like cron, Torch does not expand the $ in it"
    return ""
