"""The child that reads the task file for the service: `python -I -m torch.taskfile.reader`.

Owns what one reading is: open, parse, check on this host, tell. The service never parses YAML
itself: a large file would hold its only thread for half a second, the parser's memory would
stay with it for ever, and a hostile file would be read by the process that supervises
everything. So a child reads one request on standard input, answers as `reading` says on standard
output, and goes. It changes nothing.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Iterator

from torch.errors import Problem, TaskFileError
from torch.taskfile.commit import find_commit
from torch.taskfile.host_checks import check_host
from torch.taskfile.open import Missing, read_task_file
from torch.taskfile.parse import parse
from torch.taskfile.placement import host_addresses
from torch.taskfile.reading import FRAME_TASKS, Reading, Request, pack


def read(request: Request) -> Iterator[bytes]:
    """The frames of the reply, in order. Raises nothing that is the file's fault."""
    problems: tuple[Problem, ...] = ()
    data = None
    try:
        opened = read_task_file(request.path)
        data, problems = opened.data, opened.warnings
        if request.addresses is None:
            addresses = host_addresses()
        else:
            addresses = frozenset().union(*map(host_addresses, request.addresses))
        file = parse(data, file=request.path, only_for=addresses)
        problems += file.problems + check_host(file, file.tasks)
        errors = tuple(problem for problem in problems if not problem.warning)
        if errors:
            raise TaskFileError(errors)
    except TaskFileError as error:
        warnings = tuple(problem for problem in problems if problem.warning)
        digest = hashlib.sha256(data).hexdigest() if data is not None else ""
        yield pack(
            Reading(
                problems=error.problems + warnings,
                refused=True,
                missing=isinstance(error, Missing),
                hash=digest,
            )
        )
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
            frames=-(-len(fresh) // FRAME_TASKS),
        )
    )
    for start in range(0, len(fresh), FRAME_TASKS):
        yield pack(tuple(fresh[start : start + FRAME_TASKS]))


def main() -> int:
    """Answers one request and ends."""
    gc.disable()  # the process is over before anything is worth collecting
    request = Request.from_json(sys.stdin.readline())
    for frame in read(request):
        sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
