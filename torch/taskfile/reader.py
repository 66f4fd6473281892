"""The child that reads the task file for the service: `python -I -m torch.taskfile.reader`.

Owns what one reading is: open, parse, check on this host, tell. The service never parses YAML
itself: a large file would hold its only thread for half a second, the parser's memory would
stay with it for ever, and a hostile file would be read by the process that supervises
everything. So a child reads one request on standard input, answers as `reading` says on standard
output, and goes. It changes nothing.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import replace

from torch import zone
from torch.errors import Problem, SettingsError, TaskFileError
from torch.taskfile.commit import find_commit
from torch.taskfile.judging import judge
from torch.taskfile.open import Missing, read_task_file
from torch.taskfile.parse import examine
from torch.taskfile.placement import host_addresses
from torch.taskfile.reading import FRAME_TASKS, UPGRADED, Reading, Request, pack, shape
from torch.taskfile.settling import marks


def read(request: Request) -> Iterator[bytes]:
    """The frames of the reply, in order. Raises nothing that is the file's fault."""
    try:
        opened = read_task_file(request.path)
    except TaskFileError as error:
        missing = isinstance(error, Missing)
        yield pack(Reading(problems=error.problems, refused=True, missing=missing))
        return
    if opened.save.writer:
        yield pack(Reading(refused=True, save=opened.save))
        return
    if request.addresses is None:
        addresses = host_addresses()
    else:
        addresses = frozenset().union(*map(host_addresses, request.addresses))
    try:
        host_zone = zone.current()
    except SettingsError as error:  # TZ names a file that is gone
        yield pack(Reading(problems=(_elsewhere(request.path, error),), refused=True))
        return
    save = replace(opened.save, lines=marks(opened.data))
    file = examine(opened.data, file=request.path, host_zone=host_zone.key, only_for=addresses)
    problems = opened.warnings + judge(file, None)
    if any(not problem.warning for problem in problems):
        yield pack(Reading(problems=problems, refused=True, hash=file.hash, save=save))
        return
    fresh = [task for task in file.tasks if request.known.get(task.name) != task.digest]
    yield pack(
        Reading(
            problems=problems,
            order=tuple((task.name, task.digest) for task in file.tasks),
            hash=file.hash,
            commit=find_commit(request.path),
            total=file.total,
            elsewhere=file.total - len(file.tasks),
            channels=file.channels,
            zone=host_zone,
            frames=-(-len(fresh) // FRAME_TASKS),
            save=replace(save, tasks=file.total),
        )
    )
    for start in range(0, len(fresh), FRAME_TASKS):
        yield pack(tuple(fresh[start : start + FRAME_TASKS]))


def _elsewhere(file: str, error: SettingsError) -> Problem:
    """A problem that is not in the file, but without which it cannot be read."""
    return Problem(file=file, line=0, column=0, key="", message=error.message, hint=error.hint)


def main() -> int:
    """Answers one request and ends."""
    gc.disable()  # the process is over before anything is worth collecting
    request = Request.from_json(sys.stdin.readline())
    if request.shape not in ("", shape()):
        sys.stderr.write(UPGRADED + "\n")
        return 1
    for frame in read(request):
        sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # not one by one: a large file has a million objects
