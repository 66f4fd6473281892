"""The table of the keys that a task file has beside its tasks' own: each with its kind and doc.

Owns their vocabulary, as `keys.py` owns that of a task.
"""

from __future__ import annotations

from torch.taskfile import channels, hosts
from torch.taskfile.kinds import Key, Kind
from torch.taskfile.quantities import whole


def _part(says: str, name: str) -> Kind:
    """What `parse` reads itself and `schema` defines: the parts that are made of task keys."""
    return Kind(says=says, schema={"$ref": f"#/$defs/{name}"}, check=lambda *_: None)


FILE_KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key(
            name="version",
            kind=whole(1, 1),
            default=1,
            example="1",
            doc="Version of this format.",
        ),
        Key(
            name="groups",
            kind=hosts.groups(),
            shown="none",
            example="{web: [10.0.1.11, 10.0.1.12]}",
            doc="Names for lists of addresses and networks, for use in `hosts`.",
        ),
        Key(
            name="defaults",
            kind=_part("mapping of task keys", "defaults"),
            shown="none",
            example="{timezone: Asia/Shanghai}",
            doc="Any key of a task except `name`. A key that a task sets replaces the default as "
            "a whole.",
        ),
        Key(
            name="notify",
            kind=channels.channels(),
            shown="none",
            example='{ops: {webhook: "https://chat.example/hook"}}',
            doc="Named channels: an apprise URL, `{webhook: URL}`, `{apprise: URL}` or "
            "`{exec: command}`; `{file: PATH}` instead of a URL names a file that contains it.",
        ),
        Key(
            name="tasks",
            kind=_part("list of tasks", "tasks"),
            required=True,
            shown="required",
            doc="The tasks. Those that are due together start in this order.",
        ),
    )
}
