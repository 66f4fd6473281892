"""Whom the command line believes: a stranger who holds the lock and answers on the socket cannot
make it signal, wait for or restart anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.fake import good
from tests.service import Service, alive
from tests.waiting import until

STRANGER = 65534
NOTHING = "tasks: []\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else too")

PRETENDER = """
import fcntl, json, os, socket, sys
folder, uid, claim, answer = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
if uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
lock = os.open(folder + "/torch.lock", os.O_RDWR | os.O_CREAT, 0o644)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, claim.encode() + b"\\n")
listener = socket.socket(socket.AF_UNIX)
listener.bind(folder + "/torch.sock")
listener.listen()
print("pretends", flush=True)
while True:
    connection = listener.accept()[0]
    if connection.recv(65536):
        connection.sendall(answer.replace("OWN", str(os.getpid())).encode() + b"\\n")
    connection.close()
"""
"""Holds the lock with a claim in it, and gives one answer to whatever it is asked."""

Pretend = Callable[..., int]


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def pretend(service: Service) -> Iterator[Pretend]:
    begun = []

    def begin(claim: object, answer: object, *, uid: int = STRANGER) -> int:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        process = subprocess.Popen(
            [sys.executable, "-c", PRETENDER, str(service.state), str(uid), str(claim), text],
            stdout=subprocess.PIPE, cwd="/",
        )  # fmt: skip
        begun.append(process)
        assert process.stdout is not None and process.stdout.readline() == b"pretends\n"
        return process.pid

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def folder(service: Service, mode: int, uid: int = 0) -> None:
    """A state directory of `uid`; every folder above it can be passed."""
    service.write(NOTHING)
    service.state.mkdir()
    service.state.chmod(mode)
    if uid:
        os.chown(service.state, uid, uid)
    for above in service.state.parents:
        if above.stat().st_uid == os.geteuid() and str(above) not in ("/", "/tmp"):
            above.chmod(above.stat().st_mode | 0o111)


def stopped(pid: object) -> dict[str, object]:
    return EVERY | {"v": 1, "ok": True, "pid": pid, "runs": 0, "kept": 0, "grace": 0.5}


EVERY = good({"do": "reload"}) | good({"do": "file"}) | good({"do": "status"})
"""What makes sense as an answer to each of these: then the pid alone is wrong."""

GARBAGE = ["", "no JSON", "[]", "{}", '{"ok": false}', '{"ok": true}', '{"ok": 1, "pid": []}',
           '{"ok": false, "error": "x", "hint": "", "exit_code": 99}']  # fmt: skip
COMMANDS = [["stop"], ["stop", "--now"], ["restart"], ["status"], ["reload"]]


@as_root
@pytest.mark.parametrize("mode, uid", [(0o1777, 0), (0o777, 0), (0o755, STRANGER)])
def test_a_stranger_with_lock_and_socket_gets_nobody_killed(service, pretend, victim, mode, uid):
    folder(service, mode, uid)
    pretend(victim.pid, "no JSON")
    for command in COMMANDS:
        service.error(*command, code=69)
    assert victim.poll() is None


@as_root
@pytest.mark.parametrize("mode, uid", [(0o1777, 0), (0o755, STRANGER)])
def test_an_answer_that_names_another_pid_is_not_believed(service, pretend, victim, mode, uid):
    folder(service, mode, uid)
    pretend(victim.pid, stopped(victim.pid))
    for command in COMMANDS[:4]:
        service.error(*command, code=69)
    assert victim.poll() is None


@as_root
def test_an_answer_of_our_own_user_must_name_its_own_pid_too(service, pretend, victim):
    folder(service, 0o700)
    pretend(victim.pid, stopped(victim.pid), uid=0)
    assert f"names pid {victim.pid}" in service.error("status", code=69)
    service.error("stop", code=69)
    assert victim.poll() is None


@as_root
@pytest.mark.parametrize("answer", GARBAGE)
def test_garbage_on_the_socket_is_a_sentence_and_no_trace(service, pretend, victim, answer):
    folder(service, 0o700)
    pretend(victim.pid, answer, uid=0)
    service.error("stop", code=69)
    assert victim.poll() is None


@as_root
def test_a_unit_that_only_an_answer_names_is_not_restarted(service, pretend, tmp_path):
    folder(service, 0o755, STRANGER)
    calls = tmp_path / "calls"
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n')
    systemctl.chmod(0o755)
    answer = EVERY | {
        "v": 1, "ok": True, "pid": "OWN", "unit": {"name": "precious.service", "user": False},
        "version": EVERY["version"] | {"file": str(service.file)},
        "address_given": False, "accepted": True,
    }  # fmt: skip
    pretend(1, json.dumps(answer).replace('"OWN"', "OWN"))
    environ = service.environ()
    service.environ = lambda: environ | {"PATH": f"{systemctl.parent}:{environ['PATH']}"}
    assert "precious.service" in service.error("restart", code=69)
    assert not calls.exists()


@as_root
def test_a_symlink_of_a_stranger_leads_no_command_to_another_service(service, tmp_path):
    pid = service.start(NOTHING)
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    (sticky / "link").symlink_to(service.state)
    os.chown(sticky / "link", STRANGER, STRANGER, follow_symlinks=False)
    service.options = lambda *_: ["--state-dir", str(sticky / "link")]
    for command in (["stop"], ["status"], ["reload"]):
        assert "symlink" in service.error(*command, code=78)
    del service.options
    assert service.pid == pid and alive(pid)


# ── and who is believed ───────────────────────────────────────────────────────────────────


def test_a_service_without_its_socket_is_stopped_by_a_signal(service):
    pid = service.start(NOTHING)
    (service.state / "torch.sock").unlink()
    assert service.torch("stop") == "torch is stopped\n"
    assert not alive(pid)


def test_a_lock_that_names_a_pid_used_again_signals_nobody(service, victim):
    pid = service.start(NOTHING)
    (service.state / "torch.sock").unlink()
    (service.state / "torch.lock").write_text(f"{victim.pid}\n")
    try:
        assert "no signal was sent" in service.error("stop", code=69)
        assert victim.poll() is None and alive(pid)
    finally:
        os.kill(pid, signal.SIGTERM)
    until("the service is gone", lambda: not alive(pid))


@as_root
def test_root_stops_the_service_of_another_user(service, tmp_path):
    """The owner of the directory is whom it expects there; socket or not."""
    service.write(NOTHING)
    service.state.mkdir(mode=0o700)
    os.chown(service.state, STRANGER, STRANGER)
    service.file.chmod(0o644)
    for above in service.state.parents:
        if str(above) not in ("/", "/tmp"):
            above.chmod(above.stat().st_mode | 0o111)
    for socket in (True, False):
        pid = _started_as(service, STRANGER)
        assert service.status()["pid"] == pid
        if not socket:
            (service.state / "torch.sock").unlink()
        assert service.torch("stop") == "torch is stopped\n"
        assert not alive(pid)


def _started_as(service: Service, uid: int) -> int:
    source = Path(__file__).parents[2]
    words = [sys.executable, "-m", "torch", "start", *service.options("start")]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, user=uid, group=uid,
            extra_groups=[], env=service.environ() | {"HOME": "/"}, cwd=source,
        )  # fmt: skip
    except PermissionError as error:
        pytest.skip(f"another user may not run this Python: {error}")
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.skip(f"another user may not run this Python: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


# ── refused folders, as a person meets them ───────────────────────────────────────────────


@pytest.mark.parametrize("option", ["--state-dir", "--run-dir", "--log-dir"])
def test_a_sticky_folder_is_refused_at_the_start(service, tmp_path, option):
    service.write(NOTHING)
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    service.more_options = [option, str(sticky)]
    assert "other users can write" in service.error("start", code=78)
    assert list(sticky.iterdir()) == []


def test_a_stop_without_a_service_says_how_to_end_what_lives_on(service):
    service.start(
        "tasks: [{name: long, type: daemon, command: 'echo $$ >>DIR/pids; exec sleep 600'}]\n"
    )
    service.wait_lines("pids", 1)
    service.torch("stop", "--keep-runs")

    def told() -> str:
        text = service.error("stop", code=3)
        return text if "still active" in text else ""

    text = until("what lives on is told", told)
    state = f"--state-dir {service.state}"
    assert f"to end the active runs: torch start {state} && torch stop {state}" in text
