"""The first screen of README.md is what happens when somebody types it; and what programs read
of the same service has the keys that docs/reference.md names."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.screens.page import normal
from tests.test_docs import table
from tests.waiting import until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def told(screen: str) -> str:
    """Without what is another's machine: the folder, the seconds, the pid."""
    return normal("", re.sub(r"\S*/tasks\.yaml", "…/tasks.yaml", screen)).strip()


def test_the_first_three_commands_print_what_the_readme_shows_and_json_what_is_named(service):
    example = blocks("yaml")[0]
    assert len(example.splitlines()) <= 8
    service.file.write_text(example)
    environ = service.environ() | {"TORCH_STATE_DIR": str(service.state)}
    (screen,) = [each for each in blocks("console") if "$ torch check" in each]
    typed = re.findall(r"^\$ torch (.+)\n((?:(?!\$ ).*\n)*)", screen, re.MULTILINE)
    assert len(typed) == 3
    for words, shown in typed:
        if words == "status":
            until("a heartbeat has ended", lambda: service.task("heartbeat")["last"])
        done = subprocess.run(
            [sys.executable, "-m", "torch", *shlex.split(words)], cwd=service.folder, env=environ,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert told(done.stdout) == told(shown)
    status, (row, *_) = service.status(), service.json("runs")["runs"]
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8").split("## JSON\n")[1]
    for keys, lead in ((status, "`torch status"), (status["tasks"][0], "Each task in"),
                       (row, "Each record in")):  # fmt: skip
        named = {key for cell, *_ in table(page.split(lead)[1]) for key in cell.split(", ")}
        assert named == {f"`{key}`" for key in keys if key != "v"}, lead
