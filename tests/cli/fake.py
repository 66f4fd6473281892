"""Something that listens where a service would, in a thread of the test, and answers what it is
told to."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.settings import resolve

Talk = Callable[[socket.socket, dict[str, Any]], None]

AT = "2027-01-15T08:00:00+00:00"
RUN = {"id": "r1", "pid": 1, "state": "running", "trigger": "schedule", "fire_time": AT,
       "attempt": 1, "adopted": True, "started_at": AT}  # fmt: skip
TASK = {
    "name": "x", "type": "cron", "state": "failing", "running": 1, "max": 1, "waiting": 0,
    "delayed": 1, "put_off": {"at": AT, "for": "retry", "attempt": 2},
    "paused": {"since": AT, "until": AT}, "next": AT, "schedule": ["* * * * *"],
    "last": {"run": "r0", "fire_time": AT, "outcome": "failed", "exit_code": 3, "reason": "bad",
             "ended_at": AT},
    "description": "d", "owner": "o", "labels": {"a": "b"}, "runs": [RUN],
}  # fmt: skip
VERSION = {"file": "/etc/torch/tasks.yaml", "hash": "f", "commit": "c", "loaded_at": AT,
           "problem": "p", "elsewhere": 0}  # fmt: skip
FAILING = {"failing": {"since": AT, "reason": "full", "lost": 3}}
PROBLEM = {"file": "f", "line": 1, "column": 1, "key": "k", "message": "m", "hint": "h",
           "source": "s", "warning": False}  # fmt: skip
ANSWERS: dict[str, dict[str, Any]] = {
    "status": {
        "pid": os.getpid(), "ready": True, "stopping": False, "since": AT, "address": "10.0.0.1",
        "address_given": True, "host": "h", "torch": "1", "unit": None, "version": VERSION,
        "alerts": {
            "channels": [{"name": "ops", "way": "exec", "waiting": 1, "problem": "no",
                          "failing_since": AT, "sent_at": None}],
            "troubles": [],
        },
        "lateness": {"starts": 1, "median_ms": 1.0, "max_ms": 1.0},
        "history": FAILING, "log": FAILING, "watch": FAILING,
        "left_behind": [{"run": "r0", "task": "x", "pid": 1, "name": "sleep"}],
        "summary": {"tasks": 1, "runs": 1, "failing": 1, "paused": 0,
                    "next": {"task": "x", "at": AT}},
        "tasks": [TASK],
    },
    "task": {"task": TASK, "version": VERSION, "address": "10.0.0.1", "address_given": True},
    "left_behind": {"left_behind": [{"run": "r0", "task": "x", "pid": 1, "name": "sleep"}]},
    "names": {"tasks": ["x"]},
    "next": {
        "schedule": [{"text": "* * * * *", "meaning": "every minute", "timezone": "UTC"}],
        "times": [AT], "quiet": "paused",
    },
    "file": {
        "file": "/etc/torch/tasks.yaml", "address": "10.0.0.1", "address_given": True,
        "tz": "Asia/Tokyo", "settings": resolve({}, uid=0, address="10.0.0.1").as_dict(),
    },
    "reload": {
        "accepted": True, "problems": [PROBLEM], "added": ["a"], "removed": [], "changed": [],
        "unchanged": 1, "runs": [{"task": "x", "run": "r1", "becomes": "stopped", "reason": "r"}],
        "hash": "f", "version": VERSION,
    },
    "stop": {"pid": os.getpid(), "runs": 0, "kept": 0, "grace": 0.0},
    "run": {"run": "r1", "ending": {"outcome": "failed", "exit_code": 3, "signal": None,
                                    "reason": "bad"}},
    "kill": {"runs": ["r1"]},
    "pause": {"task": "x", "paused": {"since": AT, "until": AT}, "running": 1, "stopped": 1},
    "resume": {"task": "x", "skipped": 1, "next": AT},
}  # fmt: skip
"""A good answer to each request, with a value at every key."""


class Fake:
    """`with Fake(folder, talk):` each connection's first line is read and given to `talk`."""

    def __init__(self, folder: Path, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "torch.sock"))
        self._listener.listen()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Fake:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:  # shut down
                return
            with connection, contextlib.suppress(OSError):
                request = json.loads(connection.makefile("rb").readline() or b"{}")
                self._talk(connection, request)


def good(request: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "ok": True, **ANSWERS[request["do"]]}


def line(answer: object) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def until_left(connection: socket.socket, *, every: float | None = None) -> None:
    """Waits until the other side has closed; with `every` a byte is sent again and again."""
    connection.settimeout(every)
    while True:
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            connection.sendall(b" ")
