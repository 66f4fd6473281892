"""Which hosts a task file speaks of, and which of its tasks each of them owns.

Owns `Place`: an address or a network that stands in `groups` or in a task's `hosts`. A network
stands for its hosts that are not named more closely, and one more place for every host that the
file does not name. Places that own the same tasks are one `Column`.

The file cannot say which addresses belong to one host: a host with two of them owns the tasks of
both places. The matching itself is `taskfile.placement`'s.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

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
    places = _Places(found)
    return tuple(
        t for each, t in found.items() if not never_matches(each) and not _is_full(each, places)
    )


def _is_full(network: Range, places: _Places) -> bool:
    """Whether smaller places fill the whole network, so that it stands for no host."""
    _, value, free, _ = network
    if not free:
        return False
    reached = value
    for _, start, bits, zone in places.inside(network):
        if bits == free or zone:
            continue
        if start > reached:
            return False
        reached = max(reached, start + (1 << bits))  # one inside another begins before its end
    return reached == value + (1 << free)


class _Places:
    """Places by their values, so that those inside a network stand side by side."""

    def __init__(self, places: Iterable[Range]) -> None:
        self._sorted = sorted(places)
        self._starts = [each[:2] for each in self._sorted]

    def inside(self, network: Range) -> Iterator[Range]:
        """Those that the network takes in, the first addresses first; perhaps itself."""
        width, value, free, _ = network
        first = bisect_left(self._starts, (width, value))
        last = bisect_left(self._starts, (width, value + (1 << free)))
        return (each for each in islice(self._sorted, first, last) if covers(network, each))


class Owners:
    """Which of some places own a task: bit n of a mask stands for the n-th place, the highest
    one for every host that none of them names."""

    def __init__(self, places: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
        self.places = tuple(places)
        self._bits: dict[Range, list[int]] = {}
        for bit, place in enumerate(places):
            self._bits.setdefault(read_range(place), []).append(bit)
        self._ranges = _Places(self._bits)
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
            mask = bytearray(len(self.places) // 8 + 1)
            for text in self._groups.get(name, (name,)):
                entry = read_range(text)
                for place in self._ranges.inside(entry):
                    for bit in self._bits[place]:
                        mask[bit >> 3] |= 1 << (bit & 7)
            found = self._known[name] = int.from_bytes(mask, "little")
        return found


def _joined(
    owners: Owners,
    hosts: Sequence[tuple[str, ...]],
    groups: Mapping[str, Sequence[str]],
    *,
    rest: bool,
) -> Fleet:
    of_hosts = {each: owners.of(each) for each in dict.fromkeys(hosts)}
    of_list: dict[tuple[str, ...], list[int]] = {}  # tasks, by their `hosts`
    for at, each in enumerate(hosts):
        of_list.setdefault(each, []).append(at)
    columns, called = [], Labels(groups)
    lists, masks = list(of_hosts), list(of_hosts.values())
    for having, bits in alike(masks, len(owners.places) + rest):
        places = tuple(owners.places[bit] for bit in bits if bit < len(owners.places))
        tasks = tuple(sorted(at for each in having for at in of_list[lists[each]]))
        columns.append(
            Column(
                label=called.of(places, rest=len(places) < len(bits)),
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


def alike(masks: Sequence[int], places: int) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """The first so many places, those together that the same masks have: positions of masks, and
    the places. What is looked at is who owns what, not every place for every mask."""
    having: list[list[int]] = [[] for _ in range(places)]
    for at, mask in enumerate(masks):
        for bit in _bits(mask & (1 << places) - 1):
            having[bit].append(at)
    kinds: dict[tuple[int, ...], list[int]] = {}
    for bit, each in enumerate(having):
        kinds.setdefault(tuple(each), []).append(bit)
    yield from kinds.items()


def _bits(mask: int) -> Iterator[int]:
    """The positions of the bits that are set, the lowest first."""
    text = f"{mask:b}"[::-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


class Labels:
    """How places are called by the groups of a file."""

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = groups
        self._order = {name: at for at, name in enumerate(groups)}
        self._naming: dict[str, list[str]] = {}  # member -> groups
        for name, members in groups.items():
            for member in members:
                self._naming.setdefault(member, []).append(name)

    def of(self, places: tuple[str, ...], *, rest: bool) -> str:
        """The groups that the places are, 'web but 10.0.1.12', then what is left of them."""
        left, said = dict.fromkeys(places), []
        there = Counter(name for place in places for name in self._naming.get(place, ()))
        for name in sorted(there, key=self._order.__getitem__):
            members = self._groups[name]
            most = min(_BUT, (len(members) - 1) // 2)
            if len(members) - there[name] > most:
                continue
            missing = [member for member in members if member not in left]
            if len(missing) > most:
                continue
            said.append(f"{name} but {', '.join(missing)}" if missing else name)
            for member in members:
                left.pop(member, None)
        return ", ".join([*said, *left, *([REST] if rest else [])])
