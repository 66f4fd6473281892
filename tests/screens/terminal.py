"""A real terminal of 80 columns and 24 lines: tmux, on a socket of its own.

Owns the tmux server, and ends it. Must not know what is run in it.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.waiting import until

COLUMNS, LINES = 80, 24


class Terminal:
    """`with Terminal(folder, environ) as terminal:` run a command, see what it shows."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {k: v for k, v in environ.items() if k not in ("TMUX", "COLUMNS", "LINES")}
        self._socket = folder / "tmux"

    def __enter__(self) -> Terminal:
        # A first pane that waits for nothing: the server lives as long as it has one.
        self._tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), "exec sleep 600")
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self._tmux("resize-window", "-x", str(COLUMNS), "-y", str(LINES))
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")
        until("tmux is gone", lambda: self._finished("has-session").returncode != 0)

    def show(self, argv: Sequence[str], *, cwd: Path) -> str:
        """What a command leaves on the screen when it has ended, with what has scrolled away."""
        self._begin(argv, cwd)
        ended = lambda: self._tmux("display-message", "-p", "#{pane_dead}").strip() == "1"  # noqa: E731
        until(f"{argv} ends", ended)
        return self._captured("-S", "-")

    def watch(self, argv: Sequence[str], *, cwd: Path, drawn: Callable[[str], bool]) -> str:
        """What a command that goes on shows, as soon as `drawn` says that it is all there."""
        self._begin(argv, cwd)

        def screen() -> str:
            seen = self._captured()
            return seen if drawn(seen) else ""

        try:
            return until(f"{argv} is drawn", screen)
        finally:
            self._tmux("send-keys", "q")

    def _begin(self, argv: Sequence[str], cwd: Path) -> None:
        self._tmux("clear-history")
        self._tmux("respawn-pane", "-k", "-c", str(cwd), f"exec {shlex.join(argv)}")

    def _captured(self, *more: str) -> str:
        lines = self._tmux("capture-pane", "-p", *more).splitlines()
        shown = [line.rstrip() for line in lines if not line.startswith("Pane is dead")]
        return "\n".join(shown).strip("\n") + "\n"

    def _tmux(self, *args: str) -> str:
        done = self._finished(*args)
        assert done.returncode == 0, f"tmux {args}: {done.stderr}"
        return done.stdout

    def _finished(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *args],
            capture_output=True, text=True, timeout=30, check=False, env=self._environ,
        )  # fmt: skip
