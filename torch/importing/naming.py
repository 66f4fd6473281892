"""Names for tasks, made from what their commands run: readable, and unique in a file.

Owns the guess. `/usr/local/bin/backup.sh --full` is `backup`; tests, `cd`, assignments and
programs that only start another one (sudo, nice, flock, sh, php …) are passed over. A guess may
be poor, never wrong: a name only has to be unique and to keep the rule for names.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

_LOOK = 2000
"""Characters of a command that are looked at."""

_WORDS = 100  # the same of a list

LENGTH = 64
"""Most characters of a name."""

_ARGUMENT = 24  # characters of an argument that tell two names apart

_BESIDE = frozenset(
    "test [ [[ cd : true false command sleep source . export set umask ulimit if then else elif fi "
    "do done while until for in { } ! unset trap wait read exit".split()
)
"""What stands beside the work in a command."""

_STARTERS = frozenset(
    "sudo nice ionice chronic cronic flock timeout exec env nohup time setsid chrt taskset stdbuf "
    "systemd-cat run-one with-lock-ex setlock softlimit".split()
)
_INTERPRETERS = frozenset(
    "sh bash dash zsh ksh php perl python python2 python3 ruby node java Rscript run-parts".split()
)
_VALUED = {
    "sudo": "ugp", "nice": "n", "ionice": "cnp", "timeout": "sk", "flock": "wE", "java": "",
    "php": "dcf", "python3": "WX", "stdbuf": "ioe",
}  # fmt: skip
"""Options of starters and interpreters that take the next word."""

_ENDINGS = re.compile(r"\.(?:sh|bash|py|php|pl|rb|js|jar|R|cron|cgi)\Z")


def candidates(command: str | Sequence[str]) -> tuple[str, ...]:
    """Names for a command, the best first: 'mailman', 'mailman-notify'."""
    found = _subject(command)
    if found is None:
        return ()
    program, argument = found[0], found[1][:_ARGUMENT].rstrip("-._")
    return tuple(name for name in (program, f"{program}-{argument}" if argument else "") if name)


def clean(text: str) -> str:
    """The text as the rule for names has it, or ''."""
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", text[: 4 * LENGTH], flags=re.ASCII)
    return re.sub(r"-{2,}", "-", text).lstrip("-._")[:LENGTH].rstrip("-._")


def unique(wanted: Sequence[Sequence[str]]) -> list[str]:
    """One name for each list of candidates; no two are equal, ignoring case.

    A name that several want is given to none of them if each has another one of its own.
    """
    firsts = Counter(names[0].lower() for names in wanted if names)
    seconds = Counter(names[1].lower() for names in wanted if len(names) > 1)
    taken: dict[str, int] = {}  # name -> the last count that was put behind it
    result = []
    for names in wanted:
        name = names[0] if names else "task"
        if len(names) > 1 and firsts[name.lower()] > 1 and seconds[names[1].lower()] == 1:
            name = names[1]
        result.append(_free(name, taken))
    return result


def _free(name: str, taken: dict[str, int]) -> str:
    count, free = taken.get(name.lower(), 0), name
    while free.lower() in taken:
        count += 1
        free = f"{name[: LENGTH - 8]}-{count + 1}"
    taken[name.lower()] = count
    taken.setdefault(free.lower(), 0)
    return free


def _subject(command: str | Sequence[str]) -> tuple[str, str] | None:
    """(program, first plain argument) of what a command is about."""
    weak = None
    simple = _simple_commands(command) if isinstance(command, str) else [list(command[:_WORDS])]
    for words in simple:
        found = _of_words(words)
        if found is None:
            continue
        if found[0] not in _STARTERS | _INTERPRETERS | {"echo", "printf"}:
            return found
        weak = weak or found
    return weak


def _simple_commands(command: str) -> Iterator[list[str]]:
    """The words of each simple command; what stands in $( ) is left out."""
    words: list[str] = []
    inside, redirected = 0, False
    for token in _tokens(command[:_LOOK]):
        if token.strip(";|&()<>\n") or not token:
            if not inside and not redirected:
                words.append(token)
            redirected = False
            continue
        if token[0] in "<>" or token in ("&>", "&>>"):
            redirected = True
            if words and words[-1].isdecimal():  # 2>/dev/null
                words.pop()
            continue
        for character in token:
            if character == "(":
                inside += bool(inside) or bool(words and words[-1].endswith("$"))
            elif character == ")" and inside:
                inside -= 1
            if inside == 0 and character != ")" and words:
                yield words
                words = []
    if words:
        yield words


def _tokens(text: str) -> list[str]:
    reader = shlex.shlex(text, posix=True, punctuation_chars=";|&()<>\n")
    reader.whitespace, reader.whitespace_split, reader.commenters = " \t\r", True, ""
    try:
        return list(reader)
    except ValueError:  # an open quote
        return re.split(r"[ \t]+", text)


def _of_words(words: list[str]) -> tuple[str, str] | None:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if re.match(r"[A-Za-z_]\w*=", word):
            continue
        if " " in word:  # flock /lock -c 'backup --all'
            return _subject(word)
        base = word.rpartition("/")[2]
        if base == "command" and rest[:1] == ["-v"]:
            return None
        if base in _BESIDE - {"command", "then", "else", "do", "{", "!", "if"}:
            return None
        if base in _BESIDE:
            continue
        if base in _STARTERS | _INTERPRETERS:
            left = _past_options(base, rest)
            if left:
                rest = left
                continue
        name = clean(_ENDINGS.sub("", base))
        if not name:
            return None
        return name, clean(_argument(rest))
    return None


def _argument(words: list[str]) -> str:
    """The first word that is no option, of a URL without its scheme; else the first long option."""
    plain = (word.rpartition("://")[2] for word in words if word[:1] != "-")
    return next(plain, next((word for word in words if word[:2] == "--"), ""))


def _past_options(starter: str, words: list[str]) -> list[str]:
    """The words from the program that it starts on; none where it is given code (-c, -e)."""
    valued = _VALUED.get(starter, "")
    at = 0
    while at < len(words) and words[at].startswith("-"):
        option = words[at]
        if starter in _INTERPRETERS and option in ("-c", "-e", "-r"):
            return []
        if option in ("-m", "-jar"):
            return words[at + 1 :]
        at += 2 if len(option) == 2 and option[1] in valued else 1
    if starter in ("timeout", "flock", "chrt", "taskset", "setlock", "with-lock-ex"):
        at += 1  # its duration, its lock
    while at < len(words) and words[at].startswith("-"):
        at += 1
    return words[at:]
