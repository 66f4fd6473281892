"""A line on stderr while something lasts: what is waited for, and for how long by now.

Owns when it is shown: on a terminal only, and only after half a second, so that what is quick
stays quiet. It is wiped away at the end. Nothing is imported for it that a quick command lacks.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType

from torch.clock import SystemClock
from torch.report.text import duration

_AFTER = 0.5
"""Seconds in which nothing is shown."""
EVERY = 0.1
"""Seconds after which whoever waits should look again."""
_BAR = 20
_WHEEL = "|/-\\"


class Waiting:
    """`with Waiting(text) as look:` and `look()` again and again. `text` gets the seconds."""

    def __init__(self, text: Callable[[float], str]) -> None:
        self._text = text
        self._shown = False
        self._count = 0

    def __enter__(self) -> Callable[[], None]:
        self._began = SystemClock().now().mono
        return self._look

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._shown:
            _write("\r\x1b[K")

    def _look(self) -> None:
        seconds = SystemClock().now().mono - self._began
        if seconds < _AFTER or not sys.stderr.isatty():
            return
        self._shown = True
        self._count += 1
        wheel = _WHEEL[self._count % len(_WHEEL)]
        line = f"{wheel} {self._text(seconds)}"[: _columns() - 1]
        _write(f"\r{line}\x1b[K")


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone: what is waited for goes on
        sys.stderr.write(text)
        sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


def bar(share: float) -> str:
    """'[=====>    ]': how much of something is done."""
    done = round(min(max(share, 0.0), 1.0) * _BAR)
    return f"[{('=' * done)[:-1]}{'>' * bool(done)}{' ' * (_BAR - done)}]"


def elapsed(what: str) -> Callable[[float], str]:
    return lambda seconds: f"{what}, {duration(seconds)}"
