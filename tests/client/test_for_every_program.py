"""A program that is not the command line asks a service, and asks why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import torch

FOLDERS = ("client", "explain")
MODULES = [
    f"torch.{folder}.{path.stem}"
    for folder in FOLDERS
    for path in sorted(Path(torch.__file__).parent.joinpath(folder).glob("*.py"))
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_of_the_command_line_comes_with_it(folder):
    wanted = [module for module in MODULES if module.startswith(f"torch.{folder}.")]
    program = f"import sys, {', '.join(wanted)}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert set(wanted) <= {*loaded, f"torch.{folder}.__init__"}
    assert [name for name in loaded if f"{name}.".startswith(("click.", "torch.cli."))] == []
