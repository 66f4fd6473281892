"""The service's side of a reading: how long its reader may take."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from torch.daemon.load import Loader
from torch.settings import Settings
from torch.taskfile.reading import PER_MIB, SHORTEST

MIB = 2**20


def test_the_reader_of_a_large_file_has_more_time(tmp_path, monkeypatch):
    """The reader is ended at its limit, which is let come at once."""
    limits: list[float] = []
    timeout = asyncio.timeout

    def at_once(seconds: float) -> asyncio.Timeout:
        limits.append(seconds)
        return timeout(0)

    monkeypatch.setattr(asyncio, "timeout", at_once)
    file = tmp_path / "tasks.yaml"
    parts: Any = None
    here = str(tmp_path)
    settings = Settings(task_file=str(file), run_dir=here, state_dir=here, log_dir=here)
    loader = Loader(settings, loop=parts, clock=parts, tell=parts, systemd=parts)
    for size in (0, 2 * MIB):
        file.touch()
        os.truncate(file, size)
        answer = asyncio.run(loader.rehearse())
        limit = SHORTEST + size // MIB * PER_MIB
        assert limits[0] == limit
        limits.clear()
        assert answer["problems"][0]["message"] == f"reading took longer than {limit:g} s"
