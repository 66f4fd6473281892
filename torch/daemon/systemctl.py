"""The other direction: asking systemd, by its own command.

Owns the calls of systemctl, and reading from our cgroup which unit we are. Used by `torch unit`
and `torch restart`.
"""

from __future__ import annotations

import os
import re
import subprocess

from torch.errors import NotPermitted, SettingsError

_LIMIT = 10.0


def version() -> int | None:
    """252, where systemd is installed; it need not run."""
    try:
        done = subprocess.run(
            ["systemctl", "--version"], capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else None


def unit_of(cgroup: str) -> tuple[str, bool] | None:
    """(unit, whether the user's own systemd has it) from the text of /proc/PID/cgroup.

    >>> unit_of("0::/system.slice/torch.service")
    ('torch.service', False)
    """
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number, controllers) != ("0", "") and controllers != "name=systemd":
            continue
        *above, last = path.split("/")
        if re.fullmatch(r"[\w:.@\\-]+\.service", last, re.ASCII):
            return last, any(name.startswith("user@") for name in above)
    return None


def is_unit_of(pid: int, unit: str, *, of_user: bool) -> bool:
    """Whether the kernel says so too. A service may be another user's, and who restarts the unit
    that it names would restart whichever it likes."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    if unit_of(text) != (unit, of_user):
        return False
    return not of_user or f"/user@{os.geteuid()}.service/" in text


def restart(unit: str, *, of_user: bool) -> None:
    """Returns when the unit is up again. Raises NotPermitted and SettingsError with its words."""
    command = ["systemctl", *(["--user"] if of_user else []), "restart", "--", unit]
    shown = " ".join(command)
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise SettingsError(f"{shown}: {error.strerror}") from error
    if done.returncode == 4:  # systemctl's for "insufficient privileges", as LSB has it
        raise NotPermitted(f"this user has no permission for: {shown}", hint=f"sudo {shown}")
    if done.returncode:
        said = done.stderr.strip().splitlines()[:1] or [f"exit code {done.returncode}"]
        raise SettingsError(f"{shown} failed: {said[0]}", hint=f"see: systemctl status {unit}")
