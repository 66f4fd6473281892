"""The crontabs of several hosts -> the pieces of one task file.

Owns what is the same on several hosts: tasks of equal keys become one, whose `hosts` are those
that had it; a set of hosts that repeats becomes a group; names that stand for different tasks get
the group or host behind them. Remarks and unmapped lines that several hosts have stand once.

Invariant: each host owns the tasks of its own crontabs, line for line, and no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch.importing import naming
from torch.importing.draft import Draft, Original, Piece, Unmapped, Value

ALL = "all"

Hosts = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """`originals` in the order of hosts, each thing where the first host has it."""

    originals: list[Original]
    groups: Mapping[str, Hosts]


@dataclass(slots=True)
class _Seen:
    """A piece, where it stands first, and all hosts that have it."""

    piece: Piece
    hosts: list[str] = field(default_factory=list)
    reviews: list[str] = field(default_factory=list)


def merge(hosts: Sequence[tuple[str, Sequence[Original]]]) -> Merged:
    """One set of pieces of those of each host, given as (address, its files)."""
    seen: dict[Hashable, _Seen] = {}
    layout: list[tuple[str, Original, list[Hashable]]] = []
    for host, originals in hosts:
        counted: Counter[Hashable] = Counter()
        for original in originals:
            keys: list[Hashable] = []
            for piece in original.pieces:
                key = _identity(piece)
                counted[key] += 1
                key = (key, counted[key])  # a line that one host has twice is two tasks
                if key not in seen:
                    seen[key] = _Seen(piece)
                    keys.append(key)
                _also(seen[key], piece, host)
            layout.append((host, original, keys))
    tasks = [each for each in seen.values() if isinstance(each.piece, Draft)]
    every = tuple(host for host, _ in hosts)
    clashing = _clashing(tasks)
    groups = _groups(tasks, clashing, every)
    names = {members: name for name, members in groups.items()}
    for each in tasks:
        _settle(each, names.get(tuple(each.hosts), ""), every, clash=id(each) in clashing)
    written = _written(layout, seen)
    if groups.keys() - {ALL}:
        written[0].note("groups are only numbered; rename them to say what their hosts are for.")
    return Merged(originals=written, groups=groups)


def _identity(piece: Piece) -> Hashable:
    if isinstance(piece, Draft):
        return ("task", tuple(sorted((key, _frozen(value)) for key, value in piece.keys.items())))
    if isinstance(piece, Unmapped):
        return ("unmapped", piece.source, piece.reason)
    return ("remark", piece.lines, piece.review)


def _frozen(value: Value) -> Hashable:
    """A value that can be compared; the order of variables counts, as it does to a person."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


def _also(seen: _Seen, piece: Piece, host: str) -> None:
    seen.hosts.append(host)
    if isinstance(piece, Draft):
        seen.reviews += [review for review in piece.reviews if review not in seen.reviews]


def _clashing(tasks: Iterable[_Seen]) -> set[int]:
    """Tasks whose best name another task wants, too, on other hosts."""
    wanting: dict[str, list[_Seen]] = {}
    for each in tasks:
        wanting.setdefault(_best(each).lower(), []).append(each)
    return {
        id(each)
        for several in wanting.values()
        if len({tuple(each.hosts) for each in several}) > 1
        for each in several
    }


def _best(task: _Seen) -> str:
    assert isinstance(task.piece, Draft)  # noqa: S101
    return task.piece.names[0] if task.piece.names else "task"


def _groups(tasks: Sequence[_Seen], clashing: set[int], every: Hosts) -> dict[str, Hosts]:
    """Names for the sets of hosts that repeat, or that have to tell two names apart."""
    used = Counter(tuple(each.hosts) for each in tasks)
    wanted = {tuple(each.hosts) for each in tasks if id(each) in clashing}
    groups: dict[str, Hosts] = {}
    for hosts, count in used.items():
        if len(hosts) > 1 and (count > 1 or hosts in wanted):
            groups[ALL if hosts == every else f"group-{len(groups) + (ALL not in groups)}"] = hosts
    return groups


def _settle(task: _Seen, group: str, every: Hosts, *, clash: bool) -> None:
    """Gives a task its hosts, by the name of their group if they have one, and its names."""
    draft, hosts = task.piece, tuple(task.hosts)
    assert isinstance(draft, Draft)  # noqa: S101
    names = draft.names or ("task",)
    if clash and hosts != every:
        names = tuple(_told_apart(name, group or hosts[0]) for name in names)
    keys = {**draft.keys, "hosts": (group,) if group else hosts}
    task.piece = replace(draft, names=names, keys=keys, reviews=tuple(task.reviews))


def _told_apart(name: str, label: str) -> str:
    label = naming.clean(label.replace(":", "-"))
    return f"{name[: naming.LENGTH - len(label) - 1].rstrip('-._')}-{label}"


def _written(
    layout: Sequence[tuple[str, Original, list[Hashable]]], seen: Mapping[Hashable, _Seen]
) -> list[Original]:
    originals: list[Original] = []
    notes: dict[str, None] = {}
    for host, original, keys in layout:
        notes |= dict.fromkeys(original.notes)
        if keys:
            pieces = [_told(seen[key]) for key in keys]
            heading = f"{host}: {original.file}"
            originals.append(Original(original.file, pieces=pieces, heading=heading))
    if not originals:
        originals = [Original(original.file) for _, original, _ in layout[:1]]
    for first in originals[:1]:
        first.notes += notes
    return originals


def _told(seen: _Seen) -> Piece:
    piece, others = seen.piece, seen.hosts[1:]
    if not isinstance(piece, Unmapped) or not others:
        return piece
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return replace(piece, reason=f"{piece.reason} (the same on {shown})")
