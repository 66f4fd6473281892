"""What is left of a run, told from the evidence: the table of ARCHITECTURE.md, Recovery.

Owns the judgement alone, so that the service and the simulator judge alike; how the evidence is
read is torch/daemon/recover.py's, and what follows from it is recovery.py's. Invariant: nothing
is guessed. A run counts as never started only if that is proven, and as ended only if its exit
code was written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from torch.schedule.messages import Trace

REAPER_KILLED = "the process that started it was killed; how it ended is not known"
REBOOTED = "the host restarted while it ran"
NOTHING_SAID = "nothing says how it ended"


class Holder(StrEnum):
    """What is known of the reaper that was given the run."""

    ANSWERS = "answers"  # it lives and says that it has the run: its process has not ended
    SILENT = "silent"  # it lives and does not answer: nobody knows what it has begun
    GONE = "gone"  # it is dead, or it lives and has not the run, or no journal names the run


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a reaper and its journal say of a run. Only whole lines of a journal count.

    `whole` False: a journal that could name the run is missing or damaged, so that it proves
    nothing that the run is not named. A last line that was cut off is no damage: what it was
    written for had not been done yet.
    """

    holder: Holder = Holder.GONE
    begun: bool = False  # a B line
    pid: int | None = None  # of an S line
    ended: bool = False  # an X line (its exit code is known)
    whole: bool = True


def judge(
    traces: Traces,
    *,
    waits: bool,
    started: bool,
    same_boot: bool,
    alive: bool,
    told: bool = False,
) -> tuple[Trace, str]:
    """(what is left, the reason if nothing says how it ended). `waits` and `started` are what
    its row says; `same_boot`: it was recorded since the host booted; `alive`: processes of it
    are found though its first one is gone; `told`: an earlier service told it to stop, and then
    it has ended when nothing of it is left. The first line that holds wins.
    """
    begun = traces.begun or traces.pid is not None
    alive = alive and same_boot  # a session number of another boot is another process's
    if traces.ended:
        return Trace.ORPHANED if told and alive else Trace.ENDED, ""
    # A reaper that lives is of this boot, and so is its journal, whatever an old row says.
    if traces.holder is Holder.ANSWERS or (traces.holder is Holder.SILENT and begun):
        return Trace.ALIVE, ""
    # That a run no longer waits is on disk before any reaper is told of it, so the row needs
    # no word of a reaper that is silent; it is not believed against what was seen to begin.
    if waits and not begun and not alive:
        return Trace.NEVER_STARTED, ""
    if not same_boot:
        return Trace.GONE, REBOOTED
    if traces.holder is Holder.SILENT:
        return Trace.ALIVE, ""
    if alive:
        return Trace.ORPHANED, REAPER_KILLED
    if traces.pid is not None:
        return Trace.GONE, REAPER_KILLED
    if begun or started or not traces.whole:
        return Trace.GONE, NOTHING_SAID
    return Trace.NEVER_STARTED, ""
