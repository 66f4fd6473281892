"""A time with years, as supercronic reads it -> the fields of an expression.

Owns that dialect (aptible/supercronic, cronexpr): a step does not count as "not restricted", so
`*/2` as day and a weekday fire when either matches; `5/2` as weekday ends at Saturday.
"""

from __future__ import annotations

import re

from torch.errors import ExpressionError

NOTE = (
    "a line has a year, so the whole file is read as supercronic reads it: % is an ordinary "
    "character, and a variable holds for all lines, with its last value. supercronic runs commands "
    "in its own environment and directory, Torch in a clean environment and in /. To set them, use "
    "'env', 'env_file' and 'cwd'."
)

_SINCE = re.compile(r"\*(?=/)")


def expression(words: list[str]) -> tuple[list[str], list[str]]:
    """(fields, reviews) of a time whose last word is a year. Raises ExpressionError."""
    *rest, year = words
    if year.strip("*?"):
        raise ExpressionError(
            f"year '{year}': a schedule cannot have a year",
            hint="write the other fields as a task, and remove the task after the last year",
        )
    *front, day, month, weekday = rest
    weekday = re.sub(r"(?<![\d-])(\w+)/(\d+)", r"\1-6/\2", weekday)
    if not (day in "*?" or weekday in "*?"):  # either of two restricted ones is enough there
        day = _SINCE.sub("1-31", day)
        weekday = _SINCE.sub("0-6", weekday)
    read = [*front, day, month, weekday]
    if len(front) == 3:  # second minute hour
        return (read[1:] if front[0] == "0" else read), ["Debian's cron does not know seconds"]
    seconds = " ".join(words)
    return read, [
        f"the sixth field is read as a year, as supercronic does; if the first field is a second, "
        f'write schedule: "{seconds}"'
    ]
