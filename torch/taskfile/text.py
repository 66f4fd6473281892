"""Bytes of a task file -> text that YAML may see, or the problems that make it no text.

Owns what is decided before YAML: encoding, size, characters, conflict markers, directives.
Rules:
- UTF-8, with or without a byte order mark. Lines end in LF, CRLF or CR.
- No control characters but tab, and none of U+0085, U+2028, U+2029: YAML 1.1 calls these line
  ends and YAML 1.2 text, so what a reviewer sees and what runs would differ by the reader.
- No bidirectional overrides: they make a command read differently from what it does
  (CVE-2021-42574). All of these may still be written as escapes in double quotes.
- No directives. %YAML would choose between dialects, %TAG only serves tags, which are refused,
  and libyaml takes quadratic time over many of them.
"""

from __future__ import annotations

import re

from torch.taskfile.problems import Collector

LIMIT = 8 * 1024 * 1024
"""Largest task file in bytes."""

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_CONTROLS = bytes({*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F})
_NAMES = {
    "\x00": "NUL character",
    "\x1b": "escape character",
    "\x85": "next-line character",
    "\u2028": "line separator",
    "\u2029": "paragraph separator",
    "\ufeff": "byte order mark",
}
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) .*|^={7}\r?$", re.MULTILINE)
_OPENING = re.compile(r"^<{7} ", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%.*", re.MULTILINE)


def read_text(data: bytes, out: Collector) -> bool:
    """Puts the text into `out.text` and says whether YAML may read it; else `out` says why."""
    if len(data) > LIMIT:
        out.error(-1, "", f"the file is larger than {LIMIT // 2**20} MiB ({len(data)} bytes)")
        return False
    if (wide := _wide_encoding(data)) is not None:
        out.error(-1, "", f"the file is in {wide}", "save it as UTF-8")
        return False
    try:
        out.text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        out.text = data.decode("utf-8", "replace")
        before = data[: error.start].decode("utf-8")
        out.error(
            _place(before, len(before)),
            "",
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8; it may be Latin-1 or a binary file",
        )
        return False
    _check_characters(out)
    if not out.errors:
        _check_lines(out)
    return not out.errors


def _wide_encoding(data: bytes) -> str | None:
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "UTF-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    # Without a byte order mark: ASCII text in UTF-16 is every second byte NUL.
    head = data[:64]
    return "UTF-16" if len(head) > 3 and head.count(0) * 2 >= len(head) - 1 else None


def _check_characters(out: Collector) -> None:
    text = out.text
    if text.isascii():  # the common case, in one pass of C
        raw = text.encode("ascii")
        if len(raw.translate(None, _CONTROLS)) == len(raw):
            return
    for found in _FORBIDDEN.finditer(text):
        character = found.group()
        name = _NAMES.get(character) or (
            "bidirectional control" if character > "\u2029" else "control character"
        )
        escape = f"\\x{ord(character):02x}" if character < "\x80" else f"\\u{ord(character):04x}"
        out.error(
            _place(text, found.start()),
            "",
            f"{name} U+{ord(character):04X} in the file",
            f'remove it, or write it as "{escape}" in double quotes',
        )
        if out.errors >= 10:  # a binary: nobody wants them all
            return


def _check_lines(out: Collector) -> None:
    text = out.text
    # A row of seven = alone may be text of a block; with an opening marker it is a conflict.
    if "<<<<<<< " in text and _OPENING.search(text):
        for found in _CONFLICT.finditer(text):
            out.error(
                _place(text, found.start()),
                "",
                "git conflict marker",
                "finish the merge: keep one side, and remove the lines <<<<<<<, =======, >>>>>>>",
            )
            if out.errors >= 10:
                return
    found_directive = _DIRECTIVE.search(text) if "%" in text else None
    if found_directive:
        out.error(
            _place(text, found_directive.start()),
            "",
            "a line that begins with % is a YAML directive, which is not allowed",
            "remove the line",
        )


def _place(text: str, index: int) -> int:
    """The place of text[index], lines counted as the collector splits them."""
    before = text[:index].replace("\r\n", "\n").replace("\r", "\n")
    column = len(before) - (before.rfind("\n") + 1)
    return before.count("\n") << 24 | column
