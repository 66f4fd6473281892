"""What is left of a run that a version before the reaper started, judged by its run file.

Owns the judgement alone; it is needed once more when such a version is upgraded while its runs
are active. What a reaper leaves is judged in torch/schedule/evidence.py. Invariant: nothing is
guessed. A run counts as never started only if that is proven, and as ended only if its shim
wrote down how.
"""

from __future__ import annotations

from typing import Protocol

from torch.schedule.messages import Trace

SHIM_KILLED = "its shim was killed; how the command ended is not known"
REBOOTED = "the host restarted while it ran"
FILE_GONE = "its run file is gone or says nothing; how it ended is not known"


class RunFile(Protocol):
    """A run file as it was seen. `held`: its shim lives. `empty`: it never wrote a thing. `shim`:
    its pid, once the command was begun. `code`: the exit code, once it has ended."""

    @property
    def held(self) -> bool: ...
    @property
    def empty(self) -> bool: ...
    @property
    def shim(self) -> int | None: ...
    @property
    def code(self) -> int | None: ...


def judge_shim(
    file: RunFile | None, *, waits: bool, started: bool, same_boot: bool, alive: bool
) -> tuple[Trace, str]:
    """(what is left, the reason where nothing says how it ended). `waits` and `started` are what
    its row says; `same_boot`: it was recorded since the host booted; `alive`: processes of it
    live though its shim does not.

    A row that says that the run waits is proof that it was never started, unless the run file
    shows more: the row could be older than what was done.
    """
    if file is not None and not file.held and file.code is not None:
        return Trace.ENDED, ""
    if waits and (file is None or (file.shim is None and not file.held)):
        return Trace.NEVER_STARTED, ""
    if not same_boot:
        return Trace.GONE, REBOOTED
    if file is not None and file.held:
        return Trace.ALIVE, ""
    if (file is None or file.shim is None) and not alive:
        if not started and (file is None or file.empty):
            return Trace.NEVER_STARTED, ""
        return Trace.GONE, FILE_GONE
    return (Trace.ORPHANED if alive else Trace.GONE), SHIM_KILLED
