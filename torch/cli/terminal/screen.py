"""A terminal that is drawn anew again and again: `--watch`, and `torch top`.

Owns the terminal's state: the other screen, the hidden cursor, single keys. Must not know what is
drawn. Invariant: however a command ends, the terminal is as it was.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
from collections.abc import Callable
from types import TracebackType
from typing import Any

import click

from torch.cli import show
from torch.clock import SystemClock, local

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the other screen, no cursor, no wrapping
_SHORT = 0.5
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"


class Screen:
    """`with Screen() as screen:` draw with `show`, and wait for a key or the time."""

    def __enter__(self) -> Screen:
        self._before: list[Any] | None = None
        self._keys = sys.stdin is not None and sys.stdin.isatty()
        sys.stdout.write(_ENTER)
        if self._keys:
            with contextlib.suppress(termios.error):
                self._before = termios.tcgetattr(sys.stdin)
                single = termios.tcgetattr(sys.stdin)
                single[3] &= ~(termios.ICANON | termios.ECHO)  # Ctrl-C stays a signal
                termios.tcsetattr(sys.stdin, termios.TCSANOW, single)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSANOW, self._before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()

    def show(self, lines: list[str]) -> None:
        """What fits, in one write. Each line is wiped before it is drawn: after it, that would
        take the last character of one that is as wide as the screen."""
        height = show.size()[1]
        drawn = fitting(lines, height)
        whole = [*drawn, *[""] * (height - len(drawn))]
        text = "\r\n".join(f"\x1b[2K{line}" for line in whole)
        sys.stdout.write(f"\x1b[H{text}")
        sys.stdout.flush()

    def wait(self, seconds: float) -> str:
        """A key, or '' when the time is over. In short waits: a Ctrl-C that comes just before one
        begins is noticed only when that one is over."""
        while not select.select([sys.stdin] if self._keys else [], [], [], min(seconds, _SHORT))[0]:
            seconds -= _SHORT
            if seconds <= 0:
                return ""
        key = os.read(sys.stdin.fileno(), 64)
        self._keys = bool(key)
        return key[:1].decode("ascii", "replace")


def fitting(lines: list[str], room: int) -> list[str]:
    """As many lines as a screen has; the last says how many there are more."""
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], f"… {len(lines) - room + 1} more lines"]


def watch(frame: Callable[[], list[str]], *, seconds: float) -> None:
    """Shows `frame` anew every so often until q or Ctrl-C; the last one stays on the terminal.
    Into a pipe one follows the other, with an empty line between."""
    last: list[str] = []
    clock = SystemClock()
    try:
        if not sys.stdout.isatty():
            stream(lambda: "\n".join([*frame(), ""]), seconds=seconds)
        with Screen() as screen:
            while not last or screen.wait(seconds) not in ("q", "Q"):
                at = local(clock.now().wall)
                last = [f"{at:%H:%M:%S}, every {seconds:g} s; quit: q", *frame()]
                screen.show(last)
    except KeyboardInterrupt:
        pass
    if last:
        click.echo("\n".join(fitting(last, show.size()[1] - 1)))


def stream(text: Callable[[], str], *, seconds: float) -> None:
    """One text after another, until Ctrl-C or nobody reads on."""
    while True:
        click.echo(text())
        sys.stdout.flush()
        select.select([], [], [], seconds)
