"""Checks of this program: its Python, its libraries, its name, and what it needs on the host."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib import metadata

from torch import __version__
from torch.cli.doctor.subject import Finding, Subject, bad, ok, warn
from torch.taskfile.host_checks import PATH


def python(_: Subject) -> Finding:
    """An older one than 3.11 does not come so far."""
    return ok(f"Python {'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}")


def libraries(_: Subject) -> Finding:
    found, missing = [], []
    for name in _needed():
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return bad(f"missing: {', '.join(missing)}", "install Torch again: pip install .")
    return ok(", ".join(found))


def _needed() -> list[str]:
    """The names of what torchcron says that it requires, without what only its tests do."""
    try:
        lines = metadata.requires("torchcron") or []
    except metadata.PackageNotFoundError:
        return ["torchcron"]
    names = (re.match(r"[\w.-]+", line) for line in lines if "extra ==" not in line)
    return [name[0] for name in names if name]


def pytorch(_: Subject) -> Finding:
    """PyTorch has the same package name; whichever was installed last has overwritten files."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        ours = __file__.removesuffix("/cli/doctor/program.py")
        return ok(f"the torch package is Torch {__version__}, {ours}")
    return bad(
        f"PyTorch {version} is installed in the same environment",
        "install Torch in its own environment: python3 -m venv /opt/torch",
    )


def command(_: Subject) -> Finding:
    """Whoever types `torch` should get this one."""
    ours = os.path.join(os.path.dirname(sys.executable), "torch")
    found = shutil.which("torch")
    if found is None:
        return warn("there is no torch in the PATH", f"ln -s {ours} /usr/local/bin/torch")
    if os.path.realpath(found) != os.path.realpath(ours):
        return warn(f"the torch in the PATH is a different program: {found}", f"this one is {ours}")
    return ok(f"the torch in the PATH is this one, {found}")


def programs(subject: Subject) -> Finding:
    """What the service starts before a command; looked for where it looks."""
    tasks = subject.file.tasks
    needed = {"sh": "every task"}
    if any(task.user is not None or task.group is not None for task in tasks):
        needed["setpriv"] = "user: and group:"
    if any(task.nice is not None for task in tasks):
        needed["nice"] = "nice:"
    missing = [name for name in needed if shutil.which(name, path=PATH) is None]
    if missing:
        whom = ", ".join(f"{name} (for {needed[name]})" for name in missing)
        return bad(f"not in {PATH}: {whom}", "install it; setpriv is in util-linux")
    return ok(f"{', '.join(needed)} {'is' if len(needed) == 1 else 'are'} installed")
