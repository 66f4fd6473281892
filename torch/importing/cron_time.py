"""When a crontab's line fires, and where its cron would read it in another way than Torch.

Owns the differences between the expressions of Debian's cron (`entry.c`, 3.0pl1-162) and ours,
which take more forms. A line that cron refuses is mapped if we can read it, with a review:
cron drops the whole crontab for such a line, so nobody knows when it was last in force.
"""

from __future__ import annotations

import re

from torch.errors import ExpressionError
from torch.importing import supercronic
from torch.importing.cron_entry import Form
from torch.schedule.expression import Expression

_MACROS = frozenset("reboot yearly annually monthly weekly daily midnight hourly".split())
_NUMBER = r"[0-9]+"
_NAMED = r"(?:[0-9]+|[A-Za-z]{3})"


def _item(value: str) -> str:
    return rf"(?:\*(?:/{_NUMBER})?|{value}-{value}(?:/{_NUMBER})?|{value})"


def _field(value: str) -> re.Pattern[str]:
    return re.compile(rf"{_item(value)}(?:,{_item(value)})*", re.ASCII)


_FIELDS = (_field(_NUMBER), _field(_NUMBER), _field(_NUMBER), _field(_NAMED), _field(_NAMED))


_FREEBSD = {"@every_minute": "* * * * *", "@every_second": "* * * * * *"}


def schedule(text: str, form: Form = Form.CRON) -> tuple[str, tuple[str, ...]]:
    """(the expression for a task file, reviews). Raises ExpressionError."""
    words = text.split()
    if form in (Form.YEAR, Form.SECOND_AND_YEAR):
        words, reviews = supercronic.expression(words)
    elif form is Form.SECOND:
        reviews = [
            f"'{text}' is read as six fields that begin with the second; Debian's cron and "
            f"supercronic would read '{words[5]}' as the command"
        ]
    elif text in _FREEBSD:
        words, reviews = _FREEBSD[text].split(), [f"only FreeBSD's cron knows {text}"]
    else:
        reviews = []
    # Only looked at: H needs a name, which the task has not yet.
    Expression.parse(" ".join(words), name="any")
    return " ".join(words), tuple(reviews or _reviews(words))


def is_time(text: str, form: Form = Form.CRON) -> bool:
    try:
        schedule(text, form)
    except ExpressionError:
        return False
    return True


def _reviews(words: list[str]) -> list[str]:
    if words[0].lower() == "@every":
        return [
            f"Debian's cron does not know @every; Go's schedulers count it from their start, "
            f"Torch from 1970: it fires at whole multiples of {words[1]}"
        ]
    if words[0].startswith("@"):
        known = words[0][1:] in _MACROS
        return [] if known else [f"Debian's cron does not know {words[0]}"]
    found = [
        f"Debian's cron refuses a crontab with '{word}' in it"
        for word, allowed in zip(words, _FIELDS, strict=True)
        if not allowed.fullmatch(word)
    ]
    for empty in re.findall(r"(?:^|,)((?!sun|0)\w+-sun)\b", words[4], re.IGNORECASE):
        found.append(f"'{empty}' matches nothing in Debian's cron, where sun is 0; here sun is 7")
    return found


def reason(error: ExpressionError) -> str:
    return error.message + (f"; {error.hint}" if error.hint else "")
