"""What libyaml says -> what a person can act on.

Owns the wording of YAML's own errors. libyaml names the state of its parser ("did not find
expected '-' indicator"); here that becomes what is probably wrong in the line.
"""

from __future__ import annotations

from typing import Any

import yaml

from torch.taskfile.problems import quoted

_PROBLEMS: tuple[tuple[str, str, str], ...] = (
    ("did not find expected '-' indicator", "bad indentation: a '-' was expected here",
     "indent all keys of a list entry equally"),
    ("did not find expected key", "bad indentation, or a ':' is missing",
     "indent all keys of a mapping equally"),
    ("mapping values are not allowed", "a ': ' is not allowed here",
     "put text that contains ': ' in quotes, or fix the indentation"),
    ("could not find expected ':'", "a ':' is missing after this key",
     "a key is written 'key: value'; text over several lines needs quotes or |"),
    ("did not find expected ',' or '}'", "a ',' or '}' is missing", "close each { with a }"),
    ("did not find expected ',' or ']'", "a ',' or ']' is missing", "close each [ with a ]"),
    ("did not find expected <document start>", "there is more after the end of the document",
     "a task file must be one document; remove the rest"),
    ("found unexpected end of stream", "a quote is opened and never closed",
     "close it with the same quote"),
    ("found unexpected document indicator", "a quote is opened and never closed",
     "close it with the same quote"),
    ("found unknown escape character", "unknown escape in double quotes",
     "write \\\\ for a backslash, or use single quotes"),
    ("did not find expected hexdecimal number", "bad escape in double quotes",
     "\\x takes two hexadecimal digits, \\u four; or use single quotes"),
    ("found invalid Unicode character escape code", "this escape is not a Unicode character",
     "instead of two surrogates (\\ud800 to \\udfff), write the one character that they encode"),
    ("block sequence entries are not allowed", "a '-' is not allowed here",
     "begin the list on a line of its own"),
    ("found a tab character", "a tab in the indentation", "indent with spaces only"),
    ("did not find expected alphabetic", "a name must follow '&' or '*'",
     "if it is meant as text, put it in quotes"),
    ("did not find expected node content", "a value is missing here", ""),
    ("did not find expected digit or '-'", "bad block text header",
     "write | or >, then begin the text on the next line"),
    ("did not find expected comment or line break", "text after | or > on the same line",
     "begin the text on the next line"),
    ("found an indentation indicator equal to 0", "block text cannot be indented by 0", ""),
)  # fmt: skip

_INDICATORS = {
    "\t": ("a tab in the indentation", "indent with spaces only"),
    "@": ("text cannot begin with '@'", "put it in quotes"),
    "`": ("text cannot begin with '`'", "put it in quotes"),
    "%": ("text cannot begin with '%'", "put it in quotes"),
}


def explain(error: yaml.YAMLError, text: str, before: Any = None) -> tuple[int, str, str]:
    """(place, message, hint) of an error that PyYAML raised while reading `text`. `before`: the
    event of the last scalar before it that is not plain."""
    found = _explain(error, text)
    return found if before is None else _of_quote(before, found[0]) or found


def _of_quote(scalar: Any, at: int) -> tuple[int, str, str] | None:
    """A quote that is not closed ends at the next one, which was to open another value: what is
    wrong is found right behind that, in a line that is right."""
    start, end = scalar.start_mark, scalar.end_mark
    if scalar.style not in ('"', "'") or _place(end) != at:
        return None
    if start.line < end.line:
        message = f"this quote is not closed before the next one, in line {end.line + 1}"
        return _place(start), message, "close it where its text ends"
    twice = "; a ' inside '…' is written twice" if scalar.style == "'" else ""
    hint = f"there is one quote too many, or one is not closed{twice}"
    return _place(start), "text continues directly after its closing quote", hint


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    context_mark = getattr(error, "context_mark", None)
    if mark is None:
        return -1, f"not YAML: {problem.splitlines()[0]}", ""
    if "cannot start any token" in problem:
        character = text[mark.index : mark.index + 1]
        message, hint = _INDICATORS.get(
            character, (f"{quoted(character)} is not allowed here", "put the text in quotes")
        )
        return _place(mark), message, hint
    if context_mark and "alphabetic" in problem and "alias" in str(error):
        hint = 'put the value in quotes: "*/5 * * * *"'
        return _place(context_mark), "an unquoted * begins an alias, but no name follows", hint
    if context_mark and "tag" in str(getattr(error, "context", "")):
        hint = 'if it is meant as text, put it in quotes: "!10.0.1.12"'
        return _place(context_mark), "an unquoted ! begins a tag, which is not allowed", hint
    for theirs, message, hint in _PROBLEMS:
        if problem.startswith(theirs):
            # An open quote is found at the end of the file; the place to fix is its beginning.
            where = context_mark if "never closed" in message and context_mark else mark
            return _place(where), message, hint
    context = getattr(error, "context", None)
    return _place(mark), f"not YAML: {problem}" + (f" {context}" if context else ""), ""


def _place(mark: yaml.Mark) -> int:
    return int(mark.line << 24 | mark.column)
