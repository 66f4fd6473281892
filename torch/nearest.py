"""Which known word is meant by one that is none: the one place that says "did you mean".

Owns what counts as near. Must not know what the words are.
"""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 64
"""Characters that are compared: a whole paragraph is near nothing."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is probably meant, whatever its case: 'schedule' for 'Shedule'; or ''."""
    from difflib import get_close_matches  # only what is wrong pays for it

    folded = {each.lower(): each for each in known}
    near = get_close_matches(word[:_LONGEST].lower(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """As a hint: "did you mean 'schedule'?", or `otherwise`."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else otherwise


def or_nearest(word: str, known: Iterable[str]) -> str:
    """As the end of a message: ", did you mean 'schedule'?", or ''."""
    meant = did_you_mean(word, known)
    return f", {meant}" if meant else ""
