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
        doc="Number of attempts after the first one.",
    ),
    Key(
        name="delay",
        kind=duration(0),
        default=30.0,
        example="30s",
        doc="Delay before the first retry.",
    ),
    Key(
        name="backoff",
        kind=number(1, 10),
        default=2.0,
        example="2",
        doc="Each further delay is this many times the previous one.",
    ),
    Key(
        name="max_delay",
        kind=duration(0),
        default=600.0,
        example="10m",
        doc="The longest delay.",
    ),
)

RESTART = (
    Key(
        name="delay",
        kind=duration(0.1),
        default=1.0,
        example="1s",
        doc="Delay before the first restart; it doubles with each further early exit.",
    ),
    Key(
        name="max_delay",
        kind=duration(0.1),
        default=60.0,
        example="1m",
        doc="The longest delay.",
    ),
    Key(
        name="healthy_after",
        kind=duration(0.1),
        default=10.0,
        example="10s",
        doc="A run that has been running for this time is healthy, and resets the delay.",
    ),
)

OUTPUT = (
    Key(
        name="keep",
        kind=whole(1, 10_000),
        default=50,
        example="50",
        doc="Number of output files to keep of the task; each run has one.",
    ),
    Key(
        name="max_size",
        kind=size(4096, 2**40),
        default=16 * 2**20,
        example="16MiB",
        doc="Largest size of one file; of longer output, only the end is kept.",
    ),
    Key(
        name="via",
        kind=choice(Via),
        default=Via.PIPE,
        example="file",
        doc="`pipe`: Torch reads the output and writes the file; the task waits while 64 KiB are "
        "unread. `file`: the task writes the file itself and never waits; but `>/dev/stderr` in "
        "the task truncates the file, and output after the command's end has no size limit.",
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
