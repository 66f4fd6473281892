"""Six fields that look like the five of cron with one more: `30 3 * * * *`.

Owns the warning about them. Whoever adds a field to `30 3 * * *` (03:30 every day) has written
second 30 of minute 3 of every hour. It is a good expression, and can be what is meant; so it is
a warning, and an hour written `0-23` or `*/1` says that every hour is meant.
"""

from __future__ import annotations

import re

from torch.schedule.expression import Expression
from torch.taskfile.problems import Collector, quoted

_LOOKS = re.compile(r"(0?[1-9]|[1-5][0-9]) +(0?[0-9]|1[0-9]|2[0-3]) +\*( +\S+){3}", re.ASCII)
"""Second and minute are one number each, the minute could be an hour, and the hour is `*`. With
second 0 it is how six fields say "every hour", so that is not doubted."""


def warn(schedule: tuple[Expression, ...], places: tuple[int, ...], out: Collector) -> None:
    """Warns of each such expression, at its place."""
    for expression, at in zip(schedule, places, strict=True):
        text = expression.text.replace("\t", " ")
        if not _LOOKS.fullmatch(text):
            continue
        fields = text.split()
        five = " ".join(fields[:5])
        meant = Expression.parse(five, name=expression.name).describe()
        out.warn(
            at, "schedule",
            f"'schedule' {quoted(text)} has six fields, so it fires {expression.describe()}",
            f"with five fields, '{five}' fires {meant}; "
            f"if you mean every hour, write 0-23 for it",
        )  # fmt: skip
