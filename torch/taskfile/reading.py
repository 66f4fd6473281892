"""What the service and its reading child say to each other, and the frames it is said in.

Owns the request, the reply and their form; the service imports this and never YAML. A request
is one line of JSON. A reply is frames, each a length (4 bytes, big endian) and a pickle: first
a `Reading`, then as many tuples of at most FRAME_TASKS tasks as it says. Whoever takes one
frame at a time is never held up. Pickle, because both ends are this code, run by one user.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from io import BytesIO
from operator import attrgetter
from typing import Any

from torch import __version__
from torch.channel import Channel
from torch.errors import Problem
from torch.task import Alert, Output, Restart, Retry, Task
from torch.taskfile.settling import Save
from torch.zone import HostZone

UPGRADED = "torch was upgraded, and this service still runs the previous version"

FRAME_TASKS = 200
"""Most tasks of a frame: about a millisecond to unpack."""

SHORTEST, PER_MIB, LONGEST = 30.0, 15.0, 150.0
"""Seconds that a reading may take: of a small file, more for each MiB, of the largest there is."""

LARGEST = 256 * 2**20
"""Bytes of a frame. One that says it is longer is none."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to read. `addresses`: this host's, as text; None: those of its interfaces.

    `known`: name -> digest of the tasks the service has; they are named and not sent again.
    `shape`: what the asker understands; '' for whatever there is.
    """

    path: str
    addresses: tuple[str, ...] | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    shape: str = ""

    def to_json(self) -> str:
        """One line, without its line end."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Request:
        """The same back; `address`, a single one or null, may stand for `addresses`."""
        values: dict[str, Any] = json.loads(line)
        addresses = values.get("addresses")
        if addresses is None and values.get("address") is not None:
            addresses = [values["address"]]
        return cls(
            path=values["path"],
            addresses=None if addresses is None else tuple(addresses),
            known=values.get("known") or {},
            shape=values.get("shape") or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was found. `refused`: an error is among `problems`; nothing else of the file is told.

    `missing`: refused because there is no file; `order`: (name, digest) of this host's tasks,
    enabled or not, in file order; `hash`: SHA-256 of the bytes, '' when they could not be read;
    `commit`: 12 digits, or None without git; `total`: tasks in the file; `elsewhere`: those of
    them that this host does not own; `channels`: those of `notify`, by name;
    `zone`: that of this host, which tasks without `timezone` have; `frames`: how many frames
    of tasks follow; `save`: how the file was saved, None when it could not be read. Of a file
    that is being written no more than that is told.
    """

    problems: tuple[Problem, ...] = ()
    refused: bool = False
    missing: bool = False
    order: tuple[tuple[str, str], ...] = ()
    hash: str = ""
    commit: str | None = None
    total: int = 0
    elsewhere: int = 0
    channels: Mapping[str, Channel] = field(default_factory=dict)
    zone: HostZone = HostZone(key="UTC")  # noqa: RUF009 - frozen
    frames: int = 0
    save: Save | None = None


def shape() -> str:
    """Stands for the form of all that is sent. A service that goes on while its files are
    replaced by those of another version starts a reader of that version: a pickle of it would
    be put together wrongly, field by field, and nobody would notice."""
    parts = (Reading, HostZone, Task, Retry, Restart, Output, Alert, Channel, Problem, Save)
    names = [(part.__name__, [each.name for each in fields(part)]) for part in parts]
    return blake2b(repr((__version__, names)).encode(), digest_size=8).hexdigest()


def extra_time(path: str) -> float:
    """Seconds that reading the file may take longer than that of a small one: a few for each MiB
    on a slow host, and many times that on a busy one. 0 for a file that is not there."""
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError):  # ValueError: a NUL in it
        return 0.0
    return min(size / 2**20 * PER_MIB, LONGEST - SHORTEST)


_FIELDS = tuple(field.name for field in fields(Task))
_VALUES = attrgetter(*_FIELDS)
_SETTERS = tuple(getattr(Task, name).__set__ for name in _FIELDS)


def _task(*values: object) -> Task:
    """The task whose fields have these values."""
    task = object.__new__(Task)
    for put, value in zip(_SETTERS, values, strict=True):
        put(task, value)
    return task


def _reduced(task: Task) -> tuple[Callable[..., Task], tuple[object, ...]]:
    """What a dataclass says of itself to a pickler takes some times as long, on both sides."""
    return _task, _VALUES(task)


def pack(content: Reading | tuple[Task, ...]) -> bytes:
    """One frame, its length in front."""
    body = BytesIO()
    pickler = pickle.Pickler(body, protocol=5)
    pickler.dispatch_table = {Task: _reduced}
    pickler.dump(content)
    return _LENGTH.pack(body.tell()) + body.getbuffer()


def frame_length(head: bytes) -> int:
    """How many bytes follow the first four of a frame. Raises ValueError if they begin none."""
    length = int(_LENGTH.unpack(head)[0])
    if length > LARGEST:
        raise ValueError(f"a frame of {length} bytes")
    return length


def unpack(body: bytes) -> Any:
    """What a frame holds, without its length: a `Reading`, or a tuple of tasks."""
    return pickle.loads(body)  # noqa: S301 - of our own child


def unpack_reply(reply: bytes) -> tuple[Reading, tuple[Task, ...]]:
    """A whole reply at once. Raises ValueError for one that is cut off, as after a crash."""
    contents, start = [], 0
    while start < len(reply):
        end = start + _LENGTH.size
        if end <= len(reply):
            end += frame_length(reply[start:end])
        if end > len(reply):
            raise ValueError("the reader's reply is cut off")
        contents.append(unpack(reply[start + _LENGTH.size : end]))
        start = end
    if not contents or contents[0].frames != len(contents) - 1:
        raise ValueError("the reader's reply is cut off")
    reading: Reading = contents[0]
    return reading, tuple(task for frame in contents[1:] for task in frame)
