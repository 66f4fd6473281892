"""Kinds for placement: a task's `hosts` and the file's `groups`.

Owns where an address, a network or a group may stand in the file; what they mean is
`placement`. A group holds addresses and networks, never a group: no cycles, no surprises.
"""

from __future__ import annotations

from torch.nearest import or_nearest
from torch.taskfile import placement
from torch.taskfile.kinds import Kind, is_text, read_text, wrong
from torch.taskfile.nodes import Mapping, Node, Sequence
from torch.taskfile.problems import Collector, quoted, visible
from torch.taskfile.records import entries
from torch.taskfile.rules import STRINGS


def hosts() -> Kind:
    """Addresses, networks and groups, each perhaps after `!`. `out.groups` knows the groups."""

    def check(node: Node, out: Collector, key: str) -> tuple[str, ...]:
        hint = "" if not isinstance(node, Sequence) else "remove 'hosts' to run on every host"
        found = []
        for each in entries(node, out, key, "a list of addresses, networks and groups", hint):
            text = read_text(each, out, key, "an address, a network or a group")
            if text is not None and _check_entry(text, each.at, out, key):
                found.append(text)
        return tuple(found)

    return Kind(says="list of addresses, networks, groups", schema=STRINGS, check=check)


def _check_entry(text: str, at: int, out: Collector, key: str) -> bool:
    wanted = text[1:] if text[0] == "!" else text
    if wanted in out.groups:
        return True
    if not wanted or wanted[0] in "! ":
        hint = 'write an address, a network or a group directly after the !: "!10.0.1.12"'
        out.error(at, key, f"'{key}' has the invalid entry {quoted(text)}", hint)
        return False
    return _check_range(wanted, at, out, key)


def _check_range(text: str, at: int, out: Collector, key: str) -> bool:
    try:
        entry = placement.read_range(text)
    except placement.BadEntry as bad:
        message, hint = visible(bad.message), bad.hint
        if message.endswith("nor a group"):
            near = or_nearest(text, tuple(out.groups)[:1000]) if out.errors < 100 else ""
            message += near
            hint = "" if near else "use an address, or define the group under 'groups'"
        out.error(at, key, f"'{key}': {message}", hint)
        return False
    if reason := placement.never_matches(entry):
        out.warn(at, key, f"'{key}': {quoted(text)} matches no host: {reason}")
    return True


def groups() -> Kind:
    """The file's `groups`: name -> entries."""
    return Kind(
        says="mapping of names to lists of addresses and networks",
        schema={
            "type": "object",
            "propertyNames": {"pattern": f"^{placement.GROUP_NAME.pattern}$"},
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        check=_read_groups,
    )


def _read_groups(node: Node, out: Collector, key: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(node, Mapping):
        wrong(node, out, key, "a mapping of group names to lists of addresses")
        return {}
    found = {}
    for group, (place, value) in node.entries.items():
        if not placement.GROUP_NAME.fullmatch(group):
            hint = "up to 64 letters, digits, '.', '_' and '-', beginning with a letter"
            out.error(place.at, key, f"bad group name {quoted(group)}", hint)
        else:
            is_text(place, out, key, group)
        found[group] = _members(value, out, group)
    return found


def _members(node: Node, out: Collector, group: str) -> tuple[str, ...]:
    if isinstance(node, Sequence) and not node.items:
        hint = "a task whose 'hosts' is only this group runs on no host"
        out.warn(node.at, "groups", f"the group {quoted(group)} is empty", hint)
        return ()
    found = []
    for each in entries(node, out, f"groups.{group}", "a list of addresses and networks"):
        text = read_text(each, out, f"groups.{group}", "an address or a network")
        if text is None:
            continue
        if text[0] == "!":
            hint = "write the exclusion in the 'hosts' of a task instead"
            out.error(
                each.at, "groups", f"the group {quoted(group)} excludes {quoted(text[1:])}", hint
            )
        elif placement.GROUP_NAME.fullmatch(text) and ":" not in text:
            hint = "a group contains addresses and networks, not names or other groups"
            out.error(each.at, "groups", f"the group {quoted(group)} contains {quoted(text)}", hint)
        elif _check_range(text, each.at, out, "groups"):
            found.append(text)
    return tuple(found)
