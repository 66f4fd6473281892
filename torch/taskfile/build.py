"""One entry of `tasks` -> Task: its keys checked, defaults under them, what depends on what.

Owns the rules between keys: what a type of task needs and may not have, what `user` forbids,
that names are unique, and the digest. Each key on its own is its kind's business.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Any, NoReturn

from torch import zone as zones
from torch.errors import ExpressionError
from torch.schedule.expression import Expression
from torch.task import Task, TaskType
from torch.taskfile import lookalikes, periods, placement, privileges, secrets
from torch.taskfile.environment import loads_foreign_code
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.kinds import wrong
from torch.taskfile.nodes import Mapping, Node, Unreadable, weight
from torch.taskfile.problems import Collector, quoted, spaced, visible
from torch.taskfile.records import unknown_key

MERGED = 1_000_000
"""Most nodes that `defaults` add to the tasks together: 20 000 tasks times fifty."""

EXPRESSIONS = 30_000
"""Most expressions of a file; one with H everywhere takes 60 µs to read."""

_SHARED, _OWN = (str, tuple), ("name", "description")
"""Values of which a service of ten thousand tasks holds each once: types, and keys of no use."""

_DIGEST_DEFAULTS = {name: key.default for name, key in TASK_KEYS.items()}


class Builder:
    """Reads the tasks of one file; `tasks` are this host's, `total` counts all."""

    def __init__(
        self,
        out: Collector,
        host_zone: str | None,
        only_for: Collection[placement.Address] | None,
    ) -> None:
        self.tasks: list[Task] = []
        self.total = 0
        self._out = out
        self._host_zone = host_zone
        self._only_for = None if only_for is None else frozenset(only_for)
        self._names: dict[str, int] = {}  # in lower case -> line
        self._meant: set[str] = set()  # keys the task has under a wrong name
        self._there: Collection[str] = ()  # keys of `defaults`, good or not
        self._nodes: dict[str, Mapping] = {}  # of the tasks in `tasks`
        self._defaults_node: Mapping | None = None
        self._defaults: dict[TaskType, dict[str, Any]] = {each: {} for each in TaskType}
        self._default_type = TaskType.CRON
        self._weights: dict[str, int] = {}  # of the values in `defaults`
        self._merged = 0
        self._expressions = 0
        self._owner: placement.Owner | None = None
        self._secrets = secrets.Search()
        self._shared: dict[tuple[str, Any], Any] = {}  # one object for what many tasks say

    def read_defaults(self, node: Node) -> None:
        out = self._out
        if not isinstance(node, Mapping):
            wrong(node, out, "defaults", "a mapping of task keys", "example: {timezone: UTC}")
            return
        self._defaults_node = node
        before = out.faults
        if "name" in node.entries:
            out.error(node.entries["name"][0].at, "name", "'name' cannot have a default")
        values = self._read_keys(node, "defaults")
        self._there = node.entries.keys() | self._meant
        self._default_type = values.get("type") or TaskType.CRON
        if out.faults > before:
            return
        self._weights = {name: weight(value) for name, (_, value) in node.entries.items()}
        for text, at in values.get("schedule", ()):
            self._parse(text, at, values.get("timezone") or self._zone(), "defaults")
        for each in TaskType:
            self._defaults[each] = {
                key: value for key, value in values.items() if TASK_KEYS[key].only in ("", each)
            }

    def read_task(self, node: Node) -> None:
        """Checks one entry of `tasks`; appends it to `tasks` when it is good and this host's."""
        out = self._out
        self.total += 1
        if not isinstance(node, Mapping):
            wrong(
                node, out, "a task", "a mapping", "write it as '- name: …', keys below each other"
            )
            return
        before = out.faults
        self._meant.clear()
        own = self._read_keys(node, "")
        self._check_name(node, own)
        kind = own.get("type") or self._default_type
        values = {**self._defaults[kind], **own}
        self._count_merged(node)
        self._check_type(node, own, kind)
        self._check_present(node, own, values, kind)
        self._check_environment(node, values)
        self._check_privileges(node, values)
        expressions = self._read_schedule(node, values) if kind is TaskType.CRON else ()
        if out.faults == before and "command" in values:  # not when `defaults` are bad
            self._check_command(node, values["command"])
            self._build(node, values, expressions)

    def _count_merged(self, node: Mapping) -> None:
        """What a task takes from `defaults` counts each time, as an alias does."""
        weights = self._weights
        self._merged += sum(weights[name] for name in weights if name not in node.entries)
        if self._merged > MERGED:
            self._stop(
                node,
                "defaults",
                f"the file has more than {spaced(MERGED)} values, with 'defaults' in each task",
                "shorten 'defaults'",
            )

    def _stop(self, node: Mapping, key: str, message: str, hint: str) -> NoReturn:
        self._out.error(node.at, key, message, hint)
        raise Unreadable

    def place(self, task: Task, key: str) -> int:
        """Where a key of a task is written; where the task begins, if nowhere."""
        return self._key_place(self._nodes[task.name], key)

    def _read_keys(self, node: Mapping, inside: str) -> dict[str, Any]:
        out = self._out
        values = {}
        for name, (key, value) in node.entries.items():
            known = TASK_KEYS.get(name)
            if known is None:
                self._meant.add(unknown_key(key, TASK_KEYS, out, inside))
                continue
            values[name] = known.kind.check(value, out, name)
        return values

    def _check_name(self, node: Mapping, own: dict[str, Any]) -> None:
        name = own.get("name")
        if name is None:
            if "name" not in node.entries and "name" not in self._meant:
                self._out.error(node.at, "name", "the task has no 'name'")
            return
        line = (node.at >> 24) + 1
        folded = name.lower()
        first = self._names.get(folded)
        if first is None:
            self._names[folded] = line
        else:
            place = node.entries["name"][1].at
            self._out.error(
                place,
                "name",
                f"the 'name' {quoted(name)} is already used by the task in line {first}",
                "choose another name; names must be unique, ignoring case",
            )

    def _check_type(self, node: Mapping, own: dict[str, Any], kind: TaskType) -> None:
        """What has no effect on a task of its type."""
        out = self._out
        if not self._is_typed(own):
            return
        for name in own:
            only = TASK_KEYS[name].only
            if only and only != kind:
                hint = (
                    "a daemon task runs all the time; remove the key, or remove 'type: daemon'"
                    if kind is TaskType.DAEMON
                    else "a cron task is not restarted; remove the key, or add 'type: daemon'"
                )
                at = node.entries[name][0].at
                out.error(at, name, f"'{name}' has no effect on a {kind} task", hint)

    def _is_typed(self, own: dict[str, Any]) -> bool:
        """Whether the type is what it says; when it is misspelt, nothing follows from it."""
        return own.get("type", "") is not None and "type" not in self._meant

    def _check_present(
        self, node: Mapping, own: dict[str, Any], values: dict[str, Any], kind: TaskType
    ) -> None:
        """What every task needs. A key whose value is wrong is there, and so is a misspelt one."""
        there = {*node.entries, *values, *self._meant, *self._there}
        if "command" not in there:
            self._out.error(node.at, "command", f"{_called(own)} has no 'command'")
        if "schedule" not in there and kind is TaskType.CRON and self._is_typed(own):
            hint = "add one, such as \"*/5 * * * *\", or 'type: daemon' if it runs all the time"
            self._out.error(node.at, "schedule", f"{_called(own)} has no 'schedule'", hint)

    def _check_environment(self, node: Mapping, values: dict[str, Any]) -> None:
        if values.get("user") is None:
            return
        for name, _ in values.get("env", ()):
            if loads_foreign_code(name):
                self._out.error(
                    self._key_place(node, "env"),
                    "env",
                    f"'env': {name} is refused together with 'user'",
                    "it can make root's programs load other code, before the user is changed; "
                    "set it in the command",
                )

    def _check_privileges(self, node: Mapping, values: dict[str, Any]) -> None:
        if against := privileges.doubt(values.get("user"), values.get("privileges")):
            self._out.warn(self._key_place(node, "privileges"), "privileges", *against)

    def _check_command(self, node: Mapping, command: str | tuple[str, ...]) -> None:
        if found := self._secrets.find(command):
            self._out.warn(
                self._key_place(node, "command"),
                "command",
                f"'command' seems to contain a secret ({found}), which ps shows to every user",
                "put it into an env_file and write $NAME here",
            )

    def _key_place(self, node: Mapping, key: str) -> int:
        for each in (node, self._defaults_node):
            if each is not None and key in each.entries:
                return each.entries[key][1].at
        return node.at

    def _zone(self) -> str:
        if self._host_zone is None:
            self._host_zone = zones.current().key
        return self._host_zone

    def _parse(self, text: str, at: int, zone: str, name: str) -> Expression | None:
        try:
            return Expression.parse(text, timezone=zone, name=name)
        except ExpressionError as error:
            message = f"'schedule' {quoted(text)}: {visible(error.message)}"
            self._out.error(at, "schedule", message, error.hint)
            return None

    def _read_schedule(
        self, node: Mapping, values: dict[str, Any]
    ) -> tuple[Expression | None, ...]:
        """The expressions, parsed whatever else is wrong with the task; their problems are told."""
        zone = values.get("timezone")
        zone = self._zone() if not zone else zone if zones.is_zone(zone) else "UTC"
        name, texts = values.get("name") or "task", values.get("schedule", ())
        self._expressions += len(texts)
        if self._expressions > EXPRESSIONS:
            message = f"more than {spaced(EXPRESSIONS)} expressions in the file"
            self._stop(node, "schedule", message, "split the file")
        return tuple(self._parse(text, at, zone, name) for text, at in texts)

    def _build(
        self, node: Mapping, values: dict[str, Any], expressions: tuple[Expression | None, ...]
    ) -> None:
        name = values["name"]
        if not self._is_mine(values.get("hosts", ())):
            return
        if expressions:
            values["timezone"] = values.get("timezone") or self._zone()
            schedule_places = tuple(at for _, at in values["schedule"])
            values["schedule"] = tuple(text for text, _ in values["schedule"])
        digest = _digest(values)
        if expressions:
            values["schedule"] = expressions
            places = {key: self._key_place(node, key) for key in ("jitter", "retry")}
            periods.warn(values, values["schedule"], places, self._out)
            lookalikes.warn(values["schedule"], schedule_places, self._out)
        if "success_codes" in values:
            values["success_codes"] = frozenset(values["success_codes"])
        shared = self._shared
        for key, value in values.items():
            if type(value) in _SHARED and key not in _OWN:
                values[key] = shared.setdefault((key, value), value)
        self.tasks.append(Task(**values, digest=digest, line=(node.at >> 24) + 1))
        self._nodes[name] = node

    def _is_mine(self, hosts: tuple[str, ...]) -> bool:
        if self._only_for is None or not hosts:
            return True
        if self._owner is None:  # now the groups are known
            self._owner = placement.Owner(self._out.groups, self._only_for)
        return self._owner.owns(hosts)


def _digest(values: dict[str, Any]) -> str:
    """Stands for the resolved definition: what is not a default, in the order of the keys' names.

    A value written out that is the default anyway is the same definition, and a later release's
    new key with a default changes no digest.
    """
    parts = sorted(item for item in values.items() if item[1] != _DIGEST_DEFAULTS[item[0]])
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _called(own: dict[str, Any]) -> str:
    name = own.get("name")
    return f"the task {quoted(name)}" if name else "the task"
