"""The comments of a YAML text, which its events do not tell, with the lines they stand in."""

from __future__ import annotations

import yaml


def find(text: str) -> tuple[dict[int, str], frozenset[int]]:
    """(comments by line, lines with content), lines from 0. The text must be readable YAML.

    A comment behind a value comes with what stands before it, which is what it speaks of.
    """
    ends: dict[int, int] = {}  # line -> column where its last token ends
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.StreamStartToken | yaml.StreamEndToken | yaml.BlockEndToken):
            continue
        start, end = token.start_mark, token.end_mark
        last = end.line if end.column or end.line == start.line else end.line - 1
        for at in range(start.line, last + 1):
            ends[at] = max(ends.get(at, 0), end.column if at == end.line else 1 << 24)
    found = {}
    for number, line in enumerate(text.split("\n")):
        column = ends.get(number, 0)
        behind = line[column:]
        if behind.lstrip(" \t").startswith("#"):
            found[number] = line.strip() if column else behind.strip().lstrip("#").strip()
    return found, frozenset(ends)
