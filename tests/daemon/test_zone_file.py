"""A zone file that no Python could be started with is noticed before one is."""

from __future__ import annotations

import os

from torch import zone
from torch.daemon import zone_file


def test_only_what_the_c_library_would_wait_for_keeps_a_python_from_being_started(tmp_path):
    fifo, folder = tmp_path / "fifo", tmp_path / "folder"
    os.mkfifo(fifo)
    folder.mkdir()
    for said in (f":{fifo}", str(fifo)):
        assert zone_file.no_file({"TZ": said}) == (
            f"TZ is '{said}', which is a FIFO, not a time zone file"
        )
    for said in ("", "UTC", str(folder), f":{tmp_path}/absent", "/\0"):
        assert zone_file.no_file({"TZ": said}) == ""


def test_a_host_whose_own_zone_file_is_a_fifo_is_told_its_path(tmp_path, monkeypatch):
    fifo = tmp_path / "localtime"
    os.mkfifo(fifo)
    monkeypatch.setattr(zone, "LOCALTIME", str(fifo))
    assert zone_file.no_file({}) == f"{fifo} is a FIFO, not a time zone file"
