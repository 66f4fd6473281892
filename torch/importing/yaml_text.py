"""Values as YAML that a person would write, and that every reader of YAML reads the same.

Owns quoting: plain where that is safe in YAML 1.1 and 1.2 alike, else double quotes, else single
ones; escapes where a character could not be seen; a block for what has lines or is long.
Why not PyYAML's dumper: it knows 1.1 only, folds commands at its own will and quotes by taste.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from torch.importing.draft import Value
from torch.taskfile import scalars
from torch.taskfile.nodes import Scalar
from torch.taskfile.problems import visible

WIDTH = 80
"""Columns of a line that this module breaks."""

_LONGEST = 2000  # characters of a text that is broken; a longer one nobody reads

_PLAIN = re.compile(r"[A-Za-z0-9_/.$(][^\t]*")
_IN_LIST = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/.@+=%-]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def inline(text: str) -> str:
    """A text on one line, in quotes where it needs them."""
    return text if _is_plain(text) else quoted(text)


def quoted(text: str) -> str:
    """A text in quotes, whatever it is."""
    if not text.isprintable():
        return '"' + "".join(map(_escape, text)) + '"'
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def entry(key: str, value: Value, indent: str) -> list[str]:
    """`key: value` as lines, each behind `indent`."""
    head = f"{indent}{key}:"
    if isinstance(value, str):
        if key == "schedule":
            return [f"{head} {quoted(value)}"]
        return _text(head, value, indent + "  ")
    if isinstance(value, tuple):
        return _sequence(head, value, indent + "  ")
    if isinstance(value, Mapping):
        return _mapping(head, value, indent + "  ")
    return [f"{head} {_number(value)}"]


def comment(text: str, indent: str = "") -> list[str]:
    """A text as comment lines, as it is, with what cannot be seen made visible."""
    lines = (_seen(line).rstrip() for line in text.split("\n"))
    return [f"{indent}# {line}".rstrip() for line in lines]


def wrapped(text: str, indent: str = "") -> list[str]:
    """A text as comment lines of readable width; further lines are set in."""
    width = WIDTH - len(indent) - 2
    lines = textwrap.wrap(
        _seen(text[:_LONGEST]),
        width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f"{indent}# {line}" for line in lines]


def _seen(text: str) -> str:
    return "\t".join(visible(part) for part in text.split("\t"))


def _is_plain(text: str) -> bool:
    return (
        text.isprintable()
        and _PLAIN.fullmatch(text) is not None
        and ": " not in text
        and " #" not in text
        and text[-1] not in ": "
        and scalars.kind(Scalar(text, True, 0)) == "text"
    )


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _text(head: str, text: str, indent: str) -> list[str]:
    short = f"{head} {inline(text)}"
    if "\n" not in text and len(short) <= WIDTH:
        return [short]
    return _block(head, text, indent) or [short]


def _block(head: str, text: str, indent: str) -> list[str] | None:
    """A literal block for lines, a folded one for one long line; None where neither is exact."""
    body = text[:-1] if text.endswith("\n") else text
    lines = body.split("\n")
    if not body or any(line != line.rstrip() for line in lines) or not (lines[0] and lines[-1]):
        return None
    if lines[0][0] in " \t" or not all(
        each.isprintable() for line in lines for each in line.split("\t")
    ):
        return None
    keep = "" if text.endswith("\n") else "-"
    if len(lines) > 1:
        return [f"{head} |{keep}", *(f"{indent}{line}".rstrip() for line in lines)]
    return [f"{head} >{keep}", *(indent + line for line in _folded(body, WIDTH - len(indent)))]


def _folded(line: str, width: int) -> list[str]:
    """Broken only where a reader of YAML puts the one blank back: between two words."""
    parts = re.split(r"(?<=[^ \t]) (?=[^ \t])", line)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def _number(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _sequence(head: str, items: tuple[str, ...], indent: str) -> list[str]:
    written = [each if _is_listed(each) else quoted(each) for each in items]
    short = f"{head} [{', '.join(written)}]"
    if len(short) <= WIDTH:
        return [short]
    return [head, *(f"{indent}- {each}" for each in written)]


def _is_listed(text: str) -> bool:
    return _IN_LIST.fullmatch(text) is not None and _is_plain(text)


def _mapping(head: str, pairs: Mapping[str, str | int | float], indent: str) -> list[str]:
    if all(isinstance(value, int | float) or _is_listed(value) for value in pairs.values()):
        written = (
            f"{key if _is_listed(key) else quoted(key)}: "
            f"{value if isinstance(value, str) else _number(value)}"
            for key, value in pairs.items()
        )
        short = f"{head} {{{', '.join(written)}}}"
        if len(short) <= WIDTH:
            return [short]
    lines = [head]
    for key, value in pairs.items():
        lines += entry(key if _is_listed(key) else quoted(key), value, indent)
    return lines
