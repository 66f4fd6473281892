"""Kinds of the policies that have keys of their own: `retry`, `restart`, `output`.

Owns those keys, and what must hold between them.
"""

from __future__ import annotations

from torch.task import Output, Restart, Retry, Via
from torch.taskfile.kinds import Key, Kind, choice
from torch.taskfile.quantities import duration, number, size, whole
from torch.taskfile.records import record

RETRY = (
    Key(
        name="attempts",
        kind=whole(1, 100),
        required=True,
        example="3",
        doc="Attempts after the first one failed.",
    ),
    Key(
        name="delay",
        kind=duration(0),
        default=30.0,
        example="30s",
        doc="Wait before the first of them.",
    ),
    Key(
        name="backoff",
        kind=number(1, 10),
        default=2.0,
        example="2",
        doc="Each wait is this many times the one before.",
    ),
    Key(
        name="max_delay",
        kind=duration(0),
        default=600.0,
        example="10m",
        doc="The longest wait.",
    ),
)

RESTART = (
    Key(
        name="delay",
        kind=duration(0.1),
        default=1.0,
        example="1s",
        doc="Wait before the first restart; it doubles with each exit.",
    ),
    Key(
        name="max_delay",
        kind=duration(0.1),
        default=60.0,
        example="1m",
        doc="The longest wait.",
    ),
    Key(
        name="healthy_after",
        kind=duration(0.1),
        default=10.0,
        example="10s",
        doc="A run that lives this long is healthy, and the wait begins anew.",
    ),
)

OUTPUT = (
    Key(
        name="keep",
        kind=whole(1, 10_000),
        default=50,
        example="50",
        doc="Output files kept of the task, one a run.",
    ),
    Key(
        name="max_size",
        kind=size(4096, 2**40),
        default=16 * 2**20,
        example="16MiB",
        doc="Size of one file; of longer output the tail is kept.",
    ),
    Key(
        name="via",
        kind=choice(Via),
        default=Via.PIPE,
        example="file",
        doc="`pipe`: Torch reads the output and writes the file; the task waits while 64 KiB are "
        "unread. `file`: the task writes the file itself and never waits; then `>/dev/stderr` "
        "truncates it, and output written after the command's end is not capped.",
    ),
)


def _ordered(policy: Retry | Restart) -> str:
    return "'max_delay' is below 'delay'" if policy.max_delay < policy.delay else ""


def retry() -> Kind:
    return record(RETRY, Retry, _ordered)


def restart() -> Kind:
    return record(RESTART, Restart, _ordered)


def output() -> Kind:
    return record(OUTPUT, Output)
