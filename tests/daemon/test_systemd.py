"""What systemd hears, at a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from torch.daemon.systemctl import unit_of
from torch.daemon.systemd import Asked, Systemd, asked
from torch.errors import Problem
from torch.event import (
    Event,
    ReloadRefused,
    ServiceReady,
    ServiceStopped,
    ServiceStopping,
    TasksReloaded,
)

READY = ServiceReady(pid=7, version="v", file="/t.yaml", tasks=2, elsewhere=0)
REFUSED = ReloadRefused(
    version="v", problems=(Problem(file="/t", line=1, column=1, key="", message="a\nb"),)
)
PID = 4711


class Listener:
    """Stands where systemd would."""

    def __init__(self, path: str) -> None:
        self.address = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(20)

    def hear(self) -> dict[str, str]:
        text = self.socket.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.split("\n"))

    def waiting(self) -> list[dict[str, str]]:
        """What has been said and not heard yet."""
        found = []
        self.socket.setblocking(False)
        try:
            while True:
                found.append(self.hear())
        except BlockingIOError:
            return found
        finally:
            self.socket.settimeout(20)


@pytest.fixture(params=["file", "abstract"])
def listener(request, tmp_path):
    name = f"@torch-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "n")
    made = Listener(name)
    yield made
    made.socket.close()


def told(listener: Listener, *events: Event, watchdog: float | None = None) -> list[dict[str, str]]:
    """What is said of these events, one after the other."""

    async def speak() -> None:
        systemd = Systemd(Asked(listener.address, watchdog), monotonic_usec=lambda: 99)
        for event in events:
            systemd.hear(event)
        systemd.close()

    asyncio.run(speak())
    return listener.waiting()


def test_while_it_starts_it_asks_for_time_and_then_says_that_it_is_ready(listener):
    start, ready = told(listener, READY)
    assert start == {"EXTEND_TIMEOUT_USEC": "60000000"}
    assert ready == {
        "READY": "1", "STATUS": "ready, pid 7: 2 tasks for this host (/t.yaml)",
    }  # fmt: skip


def test_a_stop_is_told_with_its_reason_and_asks_for_time(listener):
    stopping = ServiceStopping(reason="SIGTERM", live=2)
    found = told(listener, READY, stopping, ServiceStopped(ended=2, killed=0))[2:]
    assert found[0] == {"STOPPING": "1", "STATUS": "stopping (SIGTERM), 2 active runs"}
    assert found[1] == {"EXTEND_TIMEOUT_USEC": "60000000"}
    assert found[2]["STATUS"].startswith("stopped: 2 runs ended")


def test_text_of_a_file_stays_one_line_of_the_status(listener):
    assert told(listener, READY, REFUSED)[-1] == {
        "STATUS": r"task file refused, nothing changed: /t:1:1: a\nb"
    }


def reload(listener: Listener, *events: Event, ready: bool = True) -> list[dict[str, str]]:
    async def speak() -> None:
        systemd = Systemd(Asked(listener.address), monotonic_usec=lambda: 99)
        if ready:
            systemd.hear(READY)
        listener.waiting()
        with systemd.reloading():
            for event in events:
                systemd.hear(event)
        systemd.close()

    asyncio.run(speak())
    return listener.waiting()


def test_a_reload_is_told_with_its_instant_and_its_end(listener):
    begin, news, end = reload(listener, TasksReloaded(version="w", unchanged=3))
    assert begin == {"RELOADING": "1", "MONOTONIC_USEC": "99"}
    assert news == {"STATUS": "reloaded: 3 unchanged"}
    assert end == {"READY": "1"}


def test_a_refused_reload_ends_too_and_the_status_says_why(listener):
    _, news, end = reload(listener, REFUSED)
    assert news["STATUS"].startswith("task file refused")
    assert end == {"READY": "1"}


def test_a_stop_during_a_reload_is_not_taken_back(listener):
    found = reload(listener, ServiceStopping(reason="SIGTERM", live=0))
    assert all("READY" not in each for each in found)


def test_a_reload_before_it_is_ready_says_nothing(listener):
    assert reload(listener, ready=False) == []


def test_when_the_file_is_again_the_one_in_force_the_status_says_how_it_stands(listener):
    async def speak() -> None:
        systemd = Systemd(Asked(listener.address), monotonic_usec=lambda: 99)
        systemd.hear(READY)
        systemd.hear(REFUSED)
        systemd.stand_well()
        systemd.close()

    asyncio.run(speak())
    assert listener.waiting()[-1] == {"STATUS": "ready, pid 7: 2 tasks for this host (/t.yaml)"}


def test_a_watched_service_beats_twice_in_the_time_it_has(listener):
    async def speak() -> list[dict[str, str]]:
        systemd = Systemd(Asked(listener.address, 0.02), monotonic_usec=lambda: 99)
        systemd.hear(READY)
        listener.waiting()
        loop = asyncio.get_running_loop()
        found = [await loop.run_in_executor(None, listener.hear) for _ in range(3)]
        systemd.close()
        return found

    assert asyncio.run(speak()) == [{"WATCHDOG": "1"}] * 3


def test_a_loop_that_hangs_does_not_beat(listener):
    async def speak() -> None:
        systemd = Systemd(Asked(listener.address, 0.002), monotonic_usec=lambda: 99)
        systemd.hear(READY)
        listener.waiting()
        listener.socket.settimeout(0.05)  # the loop has no turn while this waits
        with pytest.raises(TimeoutError):
            listener.hear()
        systemd.close()

    asyncio.run(speak())


def test_nobody_who_listens_is_no_fault(tmp_path):
    async def speak() -> None:
        systemd = Systemd(Asked(str(tmp_path / "gone"), 1.0), monotonic_usec=lambda: 99)
        systemd.hear(READY)
        systemd.close()
        systemd.close()

    asyncio.run(speak())


def test_a_listener_that_does_not_read_holds_nothing_up(listener):
    told(listener, *[READY] * 2000)  # more than the socket holds


# ── the environment ───────────────────────────────────────────────────────────────────────


def test_what_systemd_says_is_taken_out_of_the_environment():
    environ = {
        "NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(PID), "A": "b",
    }  # fmt: skip
    assert asked(environ, pid=PID) == Asked("/run/n", 3.0)
    assert environ == {"A": "b"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Asked()),
        ({"NOTIFY_SOCKET": ""}, Asked()),
        ({"NOTIFY_SOCKET": "/"}, Asked()),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, Asked()),
        ({"NOTIFY_SOCKET": "@x"}, Asked("@x")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2000000"}, Asked("/n", 2.0)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, Asked("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "much"}, Asked("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, Asked("/n")),
        ({"WATCHDOG_USEC": "2000000"}, Asked()),
    ],
)
def test_a_watchdog_of_another_process_and_what_cannot_be_read_are_nobodys(environ, expected):
    assert asked(dict(environ), pid=PID) == expected


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("0::/system.slice/torch.service\n", ("torch.service", False)),
        ("9:cpu:/x.service\n1:name=systemd:/system.slice/t@1.service\n", ("t@1.service", False)),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/torch.service\n",
            ("torch.service", True),
        ),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/\n", None),
        ("", None),
        ("0::/a/--help.service\n", ("--help.service", False)),
    ],
)
def test_the_unit_is_read_from_the_cgroup(cgroup, expected):
    assert unit_of(cgroup) == expected
