"""A time with years, as supercronic reads it -> the fields of an expression.

Owns that dialect (aptible/supercronic, cronexpr): a step does not count as "not restricted", so
`*/2` as day and a weekday fire when either matches; `5/2` as weekday ends at Saturday.
"""

from __future__ import annotations

import re

from torch.errors import ExpressionError

NOTE = (
    "lines with a year are read as supercronic reads them, and so is their whole file: % is an "
    "ordinary character, and a variable holds for all lines, as it was set last. supercronic gives "
    "its own environment and directory to commands; Torch a clean environment and /. 'env', "
    "'env_file' and 'cwd' set them."
)

_SINCE = re.compile(r"\*(?=/)")


def expression(words: list[str]) -> tuple[list[str], list[str]]:
    """(fields, reviews) of a time whose last word is a year. Raises ExpressionError."""
    *rest, year = words
    if year.strip("*?"):
        raise ExpressionError(
            f"year '{year}': a task file has no years",
            hint="write the other fields as a task, and remove it after its last year",
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
        f"the sixth field is read as a year, as supercronic does; if the first is a second, write "
        f'schedule: "{seconds}"'
    ]
