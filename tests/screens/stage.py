"""A service in a bad night, on one host of a small fleet, and what people type to see it.

Owns the story: a backup that fails, a sync that is tried again, an import that hangs, a daemon
that keeps dying, a digest that is paused; and an edit of the file in its git repository.
Invariant: all of it is real: a service, its processes, its history, a repository.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.screens import night
from tests.screens.terminal import Terminal
from tests.service import Service
from tests.waiting import until

FLEET = Path(__file__).with_name("fleet.yaml")
SHOWN = "/srv/git/fleet-shop"
"""Stands for the test's folder, whose name is as long: lines break where they do in truth."""
HOST = "web-1"
BEFORE = (6.0, 25.0)
"""Seconds ahead of 03:30 at which the service starts; the second, where the first is too few."""

IMPORT_FEED = """\
#!/bin/sh
# Goes well the first time, and then hangs, as such things do.
[ -e imported ] && exec sleep infinity
touch imported
sleep 0.2
"""
EDIT = (
    ('"15 4 * * *"', '"15 */4 * * *"'),
    ("exec sleep infinity", "exec sleep 36000"),
    ('  - name: mail-digest\n    schedule: "0 7 * * *"\n    command: echo "nobody to mail"\n', ""),
)
MISTAKE = (("max: 2", "max: two"), ("retry: {attempts: 3, delay: 5m}", "retry: {atempts: 3}"))


class Stage(Service):
    """Settings stand in the environment, so commands are typed without options."""

    def __init__(self, folder: Path, seconds_before: float) -> None:
        super().__init__(folder)
        self.clone = folder / "clone"
        self._zone = night.environ(folder / "zones", seconds_before=seconds_before)

    def options(self, *args: str) -> list[str]:
        return []

    def environ(self) -> dict[str, str]:
        kept = super().environ()
        del kept["NO_COLOR"]
        settings = {
            "TORCH_STATE_DIR": str(self.state), "TORCH_FILE": str(self.file),
            "TORCH_ADDRESS": "10.0.1.11", "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
        }  # fmt: skip
        return kept | self._zone | settings

    def play(self) -> bool:
        """Lets the night begin; False if 03:30 came before the import hung."""
        self._lay_out()
        self.start(FLEET.read_text(encoding="utf-8"))
        self.torch("run", "import-feed", "--wait")
        self.torch("run", "import-feed")
        self.torch("pause", "mail-digest", "--for", "2h")
        until("it is half past three", lambda: self._row("backup"))
        if not self._row("import-feed", outcome="skipped"):
            return False
        until("the sync waits for its retry", lambda: self.task("sync-orders")["delayed"])
        until("the consumer keeps dying",
              lambda: self.task("feed-consumer")["state"] == "crash-looping")  # fmt: skip
        until("somebody was told", lambda: "sent" in self.torch("notify", "history"))
        return True

    def _row(self, task: str, **wanted: str) -> bool:
        rows = self.json("runs", task, "--trigger", "schedule")["runs"]
        return any(row.items() >= wanted.items() and row["state"] == "finished" for row in rows)

    def _lay_out(self) -> None:
        script = self.scratch / "import-feed"
        script.write_text(IMPORT_FEED)
        script.chmod(0o755)
        self.clone.mkdir()
        file = self.clone / "tasks.yaml"
        file.write_text(self.text(FLEET.read_text(encoding="utf-8")))
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The fleet"]):
            subprocess.run(
                ["git", "-c", "user.name=x", "-c", "user.email=x@example.net", *words],
                cwd=self.clone, env=self.environ(), check=True, timeout=30,
            )  # fmt: skip

    def edit(self, changes: tuple[tuple[str, str], ...]) -> None:
        """The file in the repository: that of the fleet, with these changes."""
        text = self.text(FLEET.read_text(encoding="utf-8"))
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.clone / "tasks.yaml").write_text(text)


@contextlib.contextmanager
def staged() -> Iterator[Callable[[str], str]]:
    """The night, at its worst: command -> what it shows, 80 columns wide."""
    for seconds_before in BEFORE:
        # Not pytest's folder: the name is shown, and is to be short and of one length.
        folder = Path(tempfile.mkdtemp(prefix="fleet-", dir="/tmp"))
        assert len(str(folder)) == len(SHOWN)
        stage = Stage(folder, seconds_before)
        try:
            folder.chmod(0o755)
            if not stage.play():
                continue
            with Terminal(folder, stage.environ()) as terminal:
                yield lambda command: _shown(stage, terminal, command)  # noqa: B023
            return
        finally:
            stage.cleanup()
            shutil.rmtree(folder)
    raise AssertionError(f"this machine needs more than {BEFORE[-1]} s to start a service")


def _shown(stage: Stage, terminal: Terminal, command: str) -> str:
    words = command.split()[1:]
    argv = [sys.executable, "-m", "torch", *words]
    if words[0] == "top":
        seen = terminal.watch(argv, cwd=stage.clone, drawn=lambda text: "NEXT" in text)
    else:
        stage.edit({"diff": EDIT, "check": MISTAKE}.get(words[0], ()))
        seen = terminal.show(argv, cwd=stage.clone)
    return seen.replace(str(stage.folder), SHOWN).replace(socket.gethostname(), HOST)
