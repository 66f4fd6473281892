"""Instants and durations as options take them: `--since yesterday`, `--for 2h`.

Owns the errors of such options. What an instant may look like is torch/explain/moment.py's.
"""

from __future__ import annotations

from torch.errors import UsageError


def instant(text: str | None, option: str, now: float) -> float | None:
    """Since its first second, or until its last one is over."""
    if text is None:
        return None
    if not any(sign in text for sign in ":-") and text[:1].isdigit():
        return now - seconds_of(text, option)
    from torch import zone
    from torch.explain.moment import read

    moment = read(text, now=now, zone=zone.current().key)
    return moment.first if option == "--since" else moment.last + 1


def seconds_of(text: str, option: str) -> float:
    """A duration as an option takes it, in seconds. Raises UsageError."""
    from torch.taskfile.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint="examples: 30m, 24h, 7d") from error
