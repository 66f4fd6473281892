"""What the reapers of earlier services report about runs: running ones answer, dead ones have left
a journal.

Owns combining the two into one trail for each run. torch/schedule/evidence.py interprets it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.daemon.link import Link
from torch.reaper import journal
from torch.reaper.journal import Found, Said
from torch.schedule.evidence import Holder, Traces


@dataclass(slots=True, kw_only=True)
class Trail:
    """`link`: the reaper that lives and has it. `directory`: of the dead one that had it, or, if
    its journal is `held`, of one that lives and cannot be spoken with."""

    said: Said
    holder: Holder = Holder.GONE
    link: Link | None = None
    directory: str = ""
    held: bool = False


@dataclass(slots=True, kw_only=True)
class Trails:
    """`silent`: a reaper that lives and does not answer; it may have been given any run. `whole`:
    no journal is damaged, so what none of them names never began."""

    of_run: dict[str, Trail] = field(default_factory=dict)
    silent: Link | None = None
    whole: bool = True
    dead: dict[str, Found] = field(default_factory=dict)  # journals by directory

    def of(self, run_id: str) -> Trail:
        found = self.of_run.get(run_id)
        if found is not None:
            return found
        holder = Holder.GONE if self.silent is None else Holder.SILENT
        return Trail(said=Said(), holder=holder, link=self.silent)

    def traces(self, run_id: str) -> Traces:
        trail = self.of(run_id)
        said = trail.said
        return Traces(
            holder=trail.holder, begun=said.begun, pid=said.pid, ended=said.ended is not None,
            whole=self.whole,
        )  # fmt: skip


def collect(links: list[Link], dead: dict[str, Found]) -> Trails:
    trails = Trails(dead={where: found for where, found in dead.items() if not found.held})
    for directory, found in dead.items():
        trails.whole = trails.whole and not found.damaged
        for run_id, said in found.runs.items():
            _add(trails, run_id, Trail(said=said, directory=directory, held=found.held))
    for link in links:
        if link.settled.is_set() and not link.closed:
            for run_id, said in _told(link).items():
                holder = Holder.GONE if said.ended is not None else Holder.ANSWERS
                _add(trails, run_id, Trail(said=said, holder=holder, link=link))
            continue
        trails.silent = link
        for run_id, said in journal.read(f"{link.directory}/journal", probe=False).runs.items():
            holder = Holder.GONE if said.ended is not None else Holder.SILENT
            _add(trails, run_id, Trail(said=said, holder=holder, link=link))
    return trails


def _add(trails: Trails, run_id: str, trail: Trail) -> None:
    """A run that never began under one reaper may have begun under another."""
    before = trails.of_run.get(run_id)
    if before is None or not before.said.begun:
        trails.of_run[run_id] = trail


def _told(link: Link) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for message in link.gathered:
        if message[0] not in (b"started", b"ended"):
            continue
        said = found.setdefault(message[1].decode(), Said())
        said.begun = True
        if message[0] == b"started":
            said.pid, said.birth, said.mark = map(int, message[2:5])
        else:
            code, number, wall, cpu, rss = message[2:7]
            said.ended = (
                int(code), int(number) if number else None, float(wall), float(cpu),
                int(rss) if rss else None,
            )  # fmt: skip
    return found
