"""The child that reads the task file: asked once, heard in slices, and gone.

Owns what the service makes of a child that cannot be started, takes too long, or says what makes
no sense: a file that is refused, with the reason. What is said is torch/taskfile/reading.py's.
"""

from __future__ import annotations

import asyncio
import os

from torch import zone
from torch.daemon import zone_file
from torch.daemon.process import Form, Process, module
from torch.errors import Problem
from torch.task import Task
from torch.taskfile.reading import (
    SHORTEST,
    UPGRADED,
    Reading,
    Request,
    extra_time,
    frame_length,
    unpack,
)

READER = Form(argv=module("torch.taskfile.reader"), errors=True)


async def read(request: Request, *, blamed: str) -> tuple[Reading, dict[str, Task]]:
    """The reading, and the tasks that are new. `blamed`: the file that a failure is told of."""
    if why := zone_file.no_file(os.environ):
        return _failed(blamed, why, hint="put a time zone file there, then: torch reload"), {}
    limit = SHORTEST + extra_time(request.path)
    try:
        process = await Process.start(READER)
    except OSError as error:
        return _failed(blamed, f"the reader could not be started: {error.strerror}"), {}
    try:
        async with asyncio.timeout(limit):
            return await _converse(process, request)
    except TimeoutError:
        return _failed(blamed, f"reading took longer than {limit:.0f} s"), {}
    except Exception:  # noqa: BLE001  # what rubbish unpacks to is anything
        last = await process.last_words() or "its answer is incomplete or not valid"
        if last == UPGRADED:
            return _failed(blamed, UPGRADED, hint="torch restart; active runs continue"), {}
        return _failed(blamed, f"the reader failed: {last}"), {}
    finally:
        await process.end(0)


async def _converse(process: Process, request: Request) -> tuple[Reading, dict[str, Task]]:
    process.write(request.to_json().encode() + b"\n")
    process.close_input()
    reading: Reading = unpack(await _frame(process))
    zone.know(reading.zone)  # before the tasks, which name it
    fresh: dict[str, Task] = {}
    for _ in range(reading.frames):
        fresh |= {task.name: task for task in unpack(await _frame(process))}
        await asyncio.sleep(0)  # a slice: what is due starts before the next one
    return reading, fresh


async def _frame(process: Process) -> bytes:
    return await process.output.readexactly(frame_length(await process.output.readexactly(4)))


def _failed(file: str, reason: str, hint: str = "") -> Reading:
    problem = Problem(file=file, line=0, column=0, key="", message=reason, hint=hint)
    return Reading(problems=(problem,), refused=True)
