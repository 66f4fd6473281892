"""Runs whose reaper was killed, with real processes: the service waits for these itself."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import pytest

from torch.clock import FireTime, SystemClock
from torch.daemon.child import Child
from torch.daemon.lost_reaper import Orphans
from torch.reaper.fronts import Fronts
from torch.reaper.journal import Found, Said
from torch.run import Run, Trigger
from torch.task import Task

NICE = [b"/usr/bin/nice", b"-n", b"1"]
RUN = Run(id="r-1", task="t", trigger=Trigger.SCHEDULE, fire_time=FireTime(60))


def inherit(folder, command: list[bytes], **keys) -> Child:
    """A run behind nice, as the service finds it when the reaper was killed; then its end."""

    async def wait() -> Child:
        over: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        path, argv = Fronts(str(folder)).put([*NICE, *command], [0])
        null = (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)
        pid = os.posix_spawn(path, argv, {"PATH": "/usr/bin:/bin"}, file_actions=[null])
        link: Any = SimpleNamespace(directory=str(folder), ours=True)
        child = Child(
            run=RUN, task=Task(name="t", command="true", **keys), link=link, begun=True, pid=pid
        )
        found = Found()
        found.held, said = True, Said()
        said.begun, said.pid = True, pid
        found.runs[RUN.id] = said
        nobody: Any = None
        orphans = Orphans(
            clock=SystemClock(), children={RUN.id: child}, reapers=nobody, outputs=nobody,
            follow=over.set_result, again=nobody, sweep=nobody, begun=lambda *_: None,
        )  # fmt: skip
        orphans.lost(link, found)
        ended = await asyncio.wait_for(over, 30)
        orphans.close()
        return ended

    return asyncio.run(wait())


def test_what_ends_as_a_program_in_front_never_began(tmp_path):
    child = inherit(tmp_path, [b"/no/such/program"], nice=1)
    assert not child.begun
    assert child.reason == "nice could not start its command; its output says why"


@pytest.mark.parametrize("code", [1, 125, 126, 127])
def test_the_code_of_a_command_behind_a_program_is_its_own(tmp_path, code):
    child = inherit(tmp_path, [b"/bin/sh", b"-c", b"exit %d" % code], nice=1)
    assert (child.begun, child.exit_code, child.reason) == (True, code, "")


def test_the_code_of_a_command_that_becomes_nice_itself_is_its_own(tmp_path):
    child = inherit(tmp_path, [b"/bin/sh", b"-c", b"exec nice /no/such/program"], nice=1)
    assert (child.begun, child.exit_code, child.reason) == (True, 127, "")
