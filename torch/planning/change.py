"""What differs between two versions of a task file, key by key and host by host.

Owns the comparison for `torch diff`. Which tasks are added, removed and changed is asked of
`schedule.reload`, as a reload asks it: of the whole file, and of the part of each host. Must not
know git, a running service, or how a value is written.

Rule: the values of `env` and of channels are never told, and a command that seems to hold a
secret is not: a diff ends up in logs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch.channel import Channel
from torch.planning.places import Labels, Owners, alike, named_places
from torch.schedule.reload import Diff, diff
from torch.task import Schedule, Task
from torch.taskfile.secrets import Search

_KEYS = tuple(f.name for f in fields(Task) if f.name not in ("name", "digest", "line"))
DEFAULTS: Mapping[str, Any] = {f.name: f.default for f in fields(Task) if f.name in _KEYS[1:]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a task file, as far as this compares."""

    tasks: Sequence[Task]
    groups: Mapping[str, tuple[str, ...]]
    channels: Mapping[str, Channel]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """`old` and `new` are values of `Task`, of a schedule its texts; both None where `hidden`.

    `what` is 'added', 'removed' or 'changed': of a variable in `env` whether it is there, of
    any other key whether it has its default.
    """

    key: str
    what: str
    old: Any = None
    new: Any = None
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChange:
    """What the part of some hosts comes to; `old` and `new` are the tasks they own."""

    label: str
    places: tuple[str, ...]
    diff: Diff
    old: tuple[Task, ...]
    new: tuple[Task, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`moved`: unchanged cron tasks that stand elsewhere in the order, as few as explain it."""

    diff: Diff
    keys: Mapping[str, tuple[KeyChange, ...]]  # of changed tasks
    moved: tuple[str, ...]
    groups: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]  # name -> added, removed
    channels: Mapping[str, str]  # name -> 'added', 'removed', 'changed'
    hosts: tuple[HostChange, ...]

    def __bool__(self) -> bool:
        return bool(
            self.diff.added or self.diff.removed or self.diff.changed or self.moved
            or self.groups or self.channels
        )  # fmt: skip


def compare(old: Version, new: Version) -> Change:
    """Everything that an edit changes, for the fleet that either version names."""
    before = {task.name: task for task in old.tasks}
    after = {task.name: task for task in new.tasks}
    found = diff(before, new.tasks)
    return Change(
        diff=found,
        keys={name: key_changes(before[name], after[name]) for name in found.changed},
        moved=_moved(before, [t for t in new.tasks if t.name not in found.changed]),
        groups=_groups(old.groups, new.groups),
        channels=_channels(old.channels, new.channels),
        hosts=_hosts(old, new),
    )


def key_changes(old: Task, new: Task) -> tuple[KeyChange, ...]:
    """The keys of one task that differ, in the order of the reference."""
    said: list[KeyChange] = []
    for key in _KEYS:
        one, other = _value(old, key), _value(new, key)
        if one == other:
            continue
        if key == "env":
            said += _variables(dict(one), dict(other))
            continue
        hidden = key == "command" and any(Search().find(each) for each in (one, other))
        said.append(
            KeyChange(key=key, what=_what(key, one, other), hidden=hidden)
            if hidden
            else KeyChange(key=key, what=_what(key, one, other), old=one, new=other)
        )
    return tuple(said)


def _value(task: Task, key: str) -> Any:
    value = getattr(task, key)
    return tuple(_text(each) for each in value) if key == "schedule" else value


def _text(schedule: Schedule) -> str:
    return schedule.text


def _what(key: str, old: Any, new: Any) -> str:
    default = DEFAULTS.get(key)
    return "added" if old == default else "removed" if new == default else "changed"


def _variables(old: Mapping[str, str], new: Mapping[str, str]) -> list[KeyChange]:
    names = dict.fromkeys([*old, *new])
    whats = {name: _difference(old.get(name), new.get(name)) for name in names}
    said = [KeyChange(key=f"env.{name}", what=w, hidden=True) for name, w in whats.items() if w]
    return said or [KeyChange(key="env", what="changed", hidden=True)]  # another order


def _difference(old: object, new: object) -> str:
    if old == new:
        return ""
    return "added" if old is None else "removed" if new is None else "changed"


def _moved(before: Mapping[str, Task], after: Sequence[Task]) -> tuple[str, ...]:
    """The tasks of both that are out of the longest run of those that kept their order."""
    places = {name: at for at, name in enumerate(before)}
    names = [t.name for t in after if t.name in places and t.schedule and t.enabled]
    ends: list[int] = []  # [n]: the least place at which a rising run of n + 1 ends
    lengths = []
    for name in names:
        length = bisect_left(ends, places[name])
        ends[length : length + 1] = [places[name]]
        lengths.append(length)
    wanted, kept = len(ends) - 1, set()
    for name, length in zip(reversed(names), reversed(lengths), strict=True):
        if length == wanted:
            kept.add(name)
            wanted -= 1
    return tuple(name for name in names if name not in kept)


def _groups(
    old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    said = {}
    for name in dict.fromkeys([*old, *new]):
        one, other = old.get(name, ()), new.get(name, ())
        before, after = frozenset(one), frozenset(other)
        added = tuple(each for each in other if each not in before)
        removed = tuple(each for each in one if each not in after)
        if added or removed or (name in old) != (name in new):
            said[name] = (added, removed)
    return said


def _channels(old: Mapping[str, Channel], new: Mapping[str, Channel]) -> dict[str, str]:
    names = dict.fromkeys([*old, *new])
    whats = {name: _difference(old.get(name), new.get(name)) for name in names}
    return {name: what for name, what in whats.items() if what}


def _hosts(old: Version, new: Version) -> tuple[HostChange, ...]:
    """A line for each kind of host: those that own the same tasks before and after."""
    places = named_places(
        [[t.hosts for t in each.tasks] for each in (old, new)], [old.groups, new.groups]
    )
    sides = [_Side(version, places) for version in (old, new)]
    at, labels = len(sides[0].masks), Labels(new.groups)
    found = []
    for having, bits in alike([*sides[0].masks, *sides[1].masks], len(places) + 1):
        split = bisect_left(having, at)
        before = sides[0].tasks(having[:split])
        after = sides[1].tasks([each - at for each in having[split:]])
        named = tuple(places[bit] for bit in bits if bit < len(places))
        found.append(
            HostChange(
                label=labels.of(named, rest=len(named) < len(bits)),
                places=named,
                diff=diff({task.name: task for task in before}, after),
                old=before,
                new=after,
            )
        )
    return tuple(found)


class _Side:
    """One version, and which places own its tasks: a mask of them for each list of hosts."""

    def __init__(self, version: Version, places: Sequence[str]) -> None:
        owners = Owners(places, version.groups)
        self._tasks = version.tasks
        self._of_mask: dict[int, list[int]] = {}
        for at, task in enumerate(version.tasks):
            self._of_mask.setdefault(owners.of(task.hosts), []).append(at)
        self.masks = list(self._of_mask)

    def tasks(self, masks: Sequence[int]) -> tuple[Task, ...]:
        """Those with these masks, in file order."""
        found = (at for each in masks for at in self._of_mask[self.masks[each]])
        return tuple(self._tasks[at] for at in sorted(found))
