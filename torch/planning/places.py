"""Which hosts a task file speaks of, and which of its tasks each of them owns.

Owns `Place`: an address or a network that stands in `groups` or in a task's `hosts`. A network
stands for its hosts that are not named more closely, and one more place for every host that the
file does not name. Places that own the same tasks are one `Column`.

The file cannot say which addresses belong to one host: a host with two of them owns the tasks of
both places. The matching itself is `taskfile.placement`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch.task import Task
from torch.taskfile.placement import Range, covers, never_matches, read_range

REST = "every other host"
"""How the hosts are called that the file does not name."""

_BUT = 2  # members of a group that may be missing, and it is still called by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Places that own the same tasks. `label` is a group's name where they are just that group.

    `places` are addresses and networks as written, () for the hosts that the file does not name;
    `tasks` are positions in the file, in its order.
    """

    label: str
    places: tuple[str, ...]
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`columns` in the order in which the file names them, the rest last. `nowhere`: positions
    of tasks that no host owns. `of_task`: for each task the positions of its columns."""

    columns: tuple[Column, ...]
    nowhere: tuple[int, ...]
    of_task: tuple[tuple[int, ...], ...]


def fleet(tasks: Sequence[Task], groups: Mapping[str, Sequence[str]]) -> Fleet:
    """The whole fleet that the file names."""
    hosts = [task.hosts for task in tasks]
    named = named_places([hosts], [groups])
    return _joined(Owners(named, groups), hosts, groups, rest=True)


def chosen(
    tasks: Sequence[Task], groups: Mapping[str, Sequence[str]], hosts: Sequence[str]
) -> Fleet:
    """The fleet of a few hosts, each named by an address."""
    return _joined(Owners(tuple(hosts), groups), [task.hosts for task in tasks], {}, rest=False)


def named_places(
    hosts: Iterable[Iterable[tuple[str, ...]]], groups: Iterable[Mapping[str, Sequence[str]]]
) -> tuple[str, ...]:
    """Every address and network of some files, groups first, each once however it is written.

    Left out: what no host can have, and a network whose every address is named more closely."""
    texts = [text for each in groups for members in each.values() for text in members]
    names = {name for each in groups for name in each}
    for lists in hosts:
        entries = dict.fromkeys(
            entry.removeprefix("!") for each in dict.fromkeys(lists) for entry in each
        )
        texts += [entry for entry in entries if entry not in names]
    found: dict[Range, str] = {}
    for text in texts:
        found.setdefault(read_range(text), text)
    return tuple(
        t for each, t in found.items() if not never_matches(each) and not _is_full(each, found)
    )


def _is_full(network: Range, known: Iterable[Range]) -> bool:
    """Whether smaller places fill the whole network, so that it stands for no host."""
    _, value, free, _ = network
    inside = [k for k in known if k[2] < free and covers(network, k) and not k[3]]
    if not free or sum(1 << each[2] for each in inside) < 1 << free:
        return False
    parts = sorted((v, f) for _, v, f, _ in inside)
    reached = value
    for start, bits in parts:  # those inside another one begin before where it ends
        if start > reached:
            return False
        reached = max(reached, start + (1 << bits))
    return reached == value + (1 << free)


class Owners:
    """Which of some places own a task: bit n of a mask stands for the n-th place, the highest
    one for every host that none of them names."""

    def __init__(self, places: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        self.places = tuple(places)
        self._ranges = [read_range(place) for place in places]
        self._at: dict[Range, int] = {}
        for bit, each in enumerate(self._ranges):
            self._at[each] = self._at.get(each, 0) | 1 << bit
        self._groups = groups
        self._known: dict[str, int] = {}
        self._of_hosts: dict[tuple[str, ...], int] = {}
        self.all = (1 << len(places) + 1) - 1

    def of(self, hosts: tuple[str, ...]) -> int:
        """The owners of a task with this `hosts` list."""
        found = self._of_hosts.get(hosts)
        if found is None:
            found = self._of_hosts[hosts] = self._find(hosts)
        return found

    def _find(self, hosts: tuple[str, ...]) -> int:
        included = excluded = 0
        for entry in hosts:
            if entry[0] == "!":
                excluded |= self._entry(entry[1:])
            else:
                included |= self._entry(entry)
        if all(entry[0] == "!" for entry in hosts):
            included = self.all
        return included & ~excluded

    def _entry(self, name: str) -> int:
        found = self._known.get(name)
        if found is None:
            found = 0
            for text in self._groups.get(name, (name,)):
                entry = read_range(text)
                if entry[2] or entry[0] == 16:  # a network; or one that may name an interface
                    for bit, place in enumerate(self._ranges):
                        found |= covers(entry, place) << bit
                else:
                    found |= self._at.get(entry, 0)
            self._known[name] = found
        return found


def _joined(
    owners: Owners,
    hosts: Sequence[tuple[str, ...]],
    groups: Mapping[str, Sequence[str]],
    *,
    rest: bool,
) -> Fleet:
    of_hosts = {each: owners.of(each) for each in dict.fromkeys(hosts)}
    alike: dict[tuple[bool, ...], list[int]] = {}
    for bit in range(len(owners.places) + rest):
        signature = tuple(bool(mask >> bit & 1) for mask in of_hosts.values())
        alike.setdefault(signature, []).append(bit)
    columns = []
    for bits in alike.values():
        places = tuple(owners.places[bit] for bit in bits if bit < len(owners.places))
        owned = {each for each, mask in of_hosts.items() if mask >> bits[0] & 1}
        tasks = tuple(at for at, each in enumerate(hosts) if each in owned)
        columns.append(
            Column(
                label=label(places, groups, rest=len(places) < len(bits)),
                places=places,
                tasks=tasks,
            )
        )
    of_task: list[list[int]] = [[] for _ in hosts]
    for at, column in enumerate(columns):
        for task in column.tasks:
            of_task[task].append(at)
    return Fleet(
        columns=tuple(columns),
        nowhere=tuple(at for at, each in enumerate(hosts) if rest and not of_hosts[each]),
        of_task=tuple(map(tuple, of_task)),
    )


def label(places: tuple[str, ...], groups: Mapping[str, Sequence[str]], *, rest: bool) -> str:
    """The groups that the places are, 'web but 10.0.1.12', then what is left of them."""
    left, said = dict.fromkeys(places), []
    for name, members in groups.items():
        missing = [member for member in members if member not in left]
        if not members or len(missing) > min(_BUT, (len(members) - 1) // 2):
            continue
        said.append(f"{name} but {', '.join(missing)}" if missing else name)
        for member in members:
            left.pop(member, None)
    return ", ".join([*said, *left, *([REST] if rest else [])])
