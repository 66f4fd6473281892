"""Drafts -> the text of a task file that `torch check` takes.

Owns the look of the page, and the proof: each task is read by the reader of task files before
it is written, and what that refuses stays as a comment with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch.errors import TaskFileError
from torch.importing import naming, yaml_text
from torch.importing.draft import Draft, Original, Remark, Unmapped, Value
from torch.importing.proof import group_lines, refusal, task_lines, too_many, too_much
from torch.taskfile.nodes import ENTRIES
from torch.taskfile.parse import parse

SCHEMA = "# yaml-language-server: $schema=tasks.schema.json"
"""The line by which editors find the schema, which `torch schema` prints."""

_SHARED = ("timezone", "user", "group", "hosts", "grace", "cwd", "shell", "env")
"""Keys that move to `defaults` where all tasks agree on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A task file's text, how many tasks it has, what asks for a look, what was not mapped."""

    text: str
    tasks: int
    reviews: int
    unmapped: tuple[Unmapped, ...]


@dataclass(slots=True)
class _Task:
    """A draft with its name, as it will stand in the file."""

    draft: Draft
    keys: dict[str, Value]


def compose(
    originals: Sequence[Original],
    *,
    origin: str,
    hosts: tuple[str, ...] = (),
    groups: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Imported:
    """The task file of what was read. `origin` says where it comes from, for the first lines.

    `hosts` is put on every task that has none; `groups` are those that tasks name.
    Raises TaskFileError when the whole is refused (too many tasks, too large).
    """
    drafts = [draft for original in originals for draft in original.drafts()]
    if len(drafts) > ENTRIES:
        raise too_many(origin)
    names = naming.unique([draft.names for draft in drafts])
    tasks: dict[int, _Task] = {}
    refused: dict[int, str] = {}
    for draft, name in zip(drafts, names, strict=True):
        keys: dict[str, Value] = {"name": name, **draft.keys}
        if hosts:
            keys.setdefault("hosts", hosts)
        if reason := refusal(keys, groups):
            refused[id(draft)] = reason
        else:
            tasks[id(draft)] = _Task(draft, keys)
    shared = _shared([task.keys for task in tasks.values()])
    body, unmapped = _body(originals, tasks, refused, shared)
    notes = list(dict.fromkeys(note for original in originals for note in original.notes))
    lines = [*_head(origin, notes), "version: 1", ""]
    if groups:
        lines += [*group_lines(groups), ""]
    if shared:
        lines += ["defaults:", *task_lines(shared, "  "), ""]
    lines += ["tasks:" if tasks else "tasks: []", *body]
    text = "\n".join(lines).rstrip("\n") + "\n"
    _prove(text, origin)
    reviews = text.count("# review: ")
    return Imported(text=text, tasks=len(tasks), reviews=reviews, unmapped=tuple(unmapped))


def _prove(text: str, origin: str) -> None:
    """The page as a whole is taken, too. Raises TaskFileError, without a place: nobody has it."""
    try:
        parse(text.encode(), file=origin, host_zone="UTC")
    except TaskFileError as error:
        raise too_much(origin, error.problems[0].message) from error


def _head(origin: str, notes: list[str]) -> list[str]:
    lines = [SCHEMA, *yaml_text.wrapped(f"Imported from {origin}."), "#"]
    lines += yaml_text.wrapped("Check each 'review:', then: torch check FILE; torch plan -f FILE")
    for note in notes:
        lines += ["#", *yaml_text.wrapped(f"review: {note}")]
    return [*lines, ""]


def _body(
    originals: Sequence[Original],
    tasks: Mapping[int, _Task],
    refused: Mapping[int, str],
    shared: Mapping[str, Value],
) -> tuple[list[str], list[Unmapped]]:
    lines: list[str] = []
    unmapped: list[Unmapped] = []
    for original in originals:
        if len(originals) > 1:
            lines += [*yaml_text.comment(f"── {original.heading or original.file} ──", "  "), ""]
        for piece in original.pieces:
            if isinstance(piece, Draft) and id(piece) in refused:
                reason = refused[id(piece)]
                piece = Unmapped(
                    file=original.file, line=piece.line, source=piece.source, reason=reason
                )
            if isinstance(piece, Draft):
                lines += _task(tasks[id(piece)], shared)
            elif isinstance(piece, Remark):
                lines += _remark(piece)
            else:
                unmapped.append(piece)
                lines += _not_imported(piece)
            lines.append("")
    return lines, unmapped


def _task(task: _Task, shared: Mapping[str, Value]) -> list[str]:
    lines = []
    for review in task.draft.reviews:
        lines += yaml_text.wrapped(f"review: {review}", "  ")
    own = {key: value for key, value in task.keys.items() if shared.get(key) != value}
    written = task_lines(own, "    ")
    return [*lines, "  - " + written[0].lstrip(), *written[1:]]


def _remark(remark: Remark) -> list[str]:
    if not remark.review:
        return [line for text in remark.lines for line in yaml_text.comment(text, "  ")]
    return [line for text in remark.lines for line in yaml_text.wrapped(f"review: {text}", "  ")]


def _not_imported(piece: Unmapped) -> list[str]:
    lines = yaml_text.wrapped(f"review: not imported (line {piece.line}): {piece.reason}", "  ")
    return [*lines, *yaml_text.comment("    " + piece.source.replace("\n", "\n    "), "  ")]


def _shared(tasks: list[dict[str, Value]]) -> dict[str, Value]:
    if len(tasks) < 2:
        return {}
    return {
        key: tasks[0][key]
        for key in _SHARED
        if key in tasks[0] and all(keys.get(key) == tasks[0][key] for keys in tasks)
    }
