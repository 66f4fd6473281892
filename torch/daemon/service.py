"""Composition root: the real parts are built and joined here, and read in start-up order.

Owns the order of starting and of stopping, and nothing else: what a part does is in its own
file. The lock comes before everything that writes; the task file is read before anything
starts; ready is said when a stranger could use the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import secrets
import select
import stat
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch.clock import SystemClock
from torch.daemon import lock, signals
from torch.daemon.address import primary_address
from torch.daemon.control import Control
from torch.daemon.detach import Readiness
from torch.daemon.load import Loader
from torch.daemon.logfile import LogFile, Terminal
from torch.daemon.loop import Loop
from torch.daemon.matcher import Matcher
from torch.daemon.notifier import Notifier
from torch.daemon.output import Outputs
from torch.daemon.processes import boot_id
from torch.daemon.pruning import Pruner
from torch.daemon.recorder import Recorder
from torch.daemon.recover import Recoverer
from torch.daemon.reporting import Reporter
from torch.daemon.requests import Requests
from torch.daemon.supervisor import Supervisor
from torch.daemon.systemctl import unit_of
from torch.daemon.systemd import Asked, Systemd
from torch.daemon.takeover import Takeover
from torch.daemon.watcher import Watcher, identify
from torch.errors import NotPermitted, SettingsError, TryAgain
from torch.event import (
    DaemonCrashLooping,
    Event,
    HistorySetAside,
    PartFailed,
    RunEnded,
    ServiceReady,
)
from torch.history.store import HistoryError, Store
from torch.run import Outcome
from torch.schedule.messages import Send, Watch
from torch.schedule.scheduler import Scheduler
from torch.settings import Settings

_TAIL_LINES = 5

LEAD = 0.03
"""Seconds ahead of a fire in which its row is written and its shim made to wait: several times
what both take, and too short for anybody to change their mind in."""


async def serve(settings: Settings, *, foreground: bool, readiness: Readiness, wish: Asked) -> None:
    """Runs one service until it is told to stop. Raises TorchError if it cannot start."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as parts:
        systemd = Systemd(wish, monotonic_usec=clock.monotonic_usec)
        parts.callback(systemd.close)
        _make_folders(settings)
        for path in dict.fromkeys((settings.lock, settings.state_lock)):
            parts.callback(os.close, lock.take(path, pause=_wait))

        sink = _open_log(settings, foreground, clock)
        parts.callback(sink.close)
        outputs = Outputs(settings.output)
        told = _Telling(sink, outputs, systemd, all_tails=foreground)

        store = Store(settings.history, at=clock.now().wall)
        parts.callback(store.close)
        boot = boot_id()
        recorder = Recorder(store, boot_id=boot, tell=told.tell)
        asyncio.get_running_loop().set_exception_handler(told.fault)
        past = store.recall(at=clock.now().wall)
        if store.damaged is not None:
            told.tell(HistorySetAside(path=store.damaged, reason=store.reason))
        with told.failing("the history"):
            store.begin_service(pid=os.getpid(), boot_id=boot, at=clock.now().wall)
        parts.callback(_say_goodbye, store, clock, told)
        address = settings.address or primary_address()
        scheduler = Scheduler(run_ids=_run_ids(clock), lead=LEAD, host=address)
        loop = Loop(scheduler=scheduler, clock=clock, recorder=recorder, tell=told.tell)
        parts.callback(loop.close)
        matcher = Matcher(post=loop.post, outputs=outputs, tell=told.tell)
        parts.push_async_callback(matcher.close)
        supervisor = Supervisor(
            clock=clock, post=loop.post, runs_dir=settings.runs, outputs=outputs,
            completed=matcher.complete,
        )  # fmt: skip
        parts.callback(supervisor.close)
        loop.perform_by(supervisor)
        loader = Loader(settings, loop=loop, clock=clock, tell=told.tell, systemd=systemd)
        notifier = Notifier(
            post=loop.post, outputs=outputs, host=address, task=loader.task,
            is_starting=lambda: supervisor.is_starting,
        )  # fmt: skip
        parts.push_async_callback(notifier.close)
        loop.perform_beside(Send, notifier.send)
        loop.perform_beside(Watch, matcher.watch)
        recoverer = Recoverer(store=store, runs_dir=settings.runs, boot_id=boot, clock=clock)
        takeover = Takeover(past, recoverer=recoverer, supervisor=supervisor, loop=loop)
        signals.listen(stop=takeover.stop, reload=loader.reload_soon, reopen=sink.reopen)

        seen = identify(settings.task_file)

        first = await loader.first_load(
            takeover.recover, decided=past.decided, rebooted=past.boot_id != boot
        )
        unit = unit_of(_own_cgroup()) if wish.address else None
        requests = Requests(loop=loop, loader=loader, clock=clock, address=address, unit=unit)
        told.requests = requests
        told.reporter = Reporter(settings, scheduler=scheduler, clock=clock, tell=told.tell)
        loop.at_beat = told.reporter.beat
        await _unless_stopping(scheduler, loop)
        control = Control(settings.socket, requests.answer)
        await control.open()
        parts.push_async_callback(control.close)
        pruner = Pruner(
            store, clock=clock, days=settings.history_days, rows=settings.history_rows,
            tell=told.tell,
        )  # fmt: skip
        parts.callback(pruner.close)
        watcher = Watcher(settings.task_file, loader.reload_soon, seen=seen)
        parts.callback(watcher.stop)
        lock.write_pid(settings.pid_file)
        parts.callback(lock.remove_pid, settings.pid_file)

        await _unless_stopping(scheduler, loop)
        gc.freeze()  # what start-up made lives as long as we do; the collector may skip it
        requests.ready = True
        told.tell(
            ServiceReady(
                pid=os.getpid(), version=first.hash, file=settings.task_file,
                tasks=len(first.order), elsewhere=first.elsewhere,
            )
        )  # fmt: skip
        readiness.ready()
        await loop.until_left()


async def _unless_stopping(scheduler: Scheduler, loop: Loop) -> None:
    """A signal during the start: what runs is ended, and nobody is told that we are ready."""
    if scheduler.stopping:
        await loop.until_left()
        raise TryAgain("the service was stopped before it was ready", hint="start it again")


class _Telling:
    """Passes an event on to the log and to whoever waits for it, with the task's last lines
    where a person will want them."""

    def __init__(
        self, sink: LogFile | Terminal, outputs: Outputs, systemd: Systemd, *, all_tails: bool
    ) -> None:
        self._sink = sink
        self._outputs = outputs
        self._systemd = systemd
        self._all_tails = all_tails
        self.requests: Requests | None = None
        self.reporter: Reporter | None = None

    def tell(self, event: Event) -> None:
        if isinstance(event, RunEnded | DaemonCrashLooping) and self._wants_tail(event):
            event = replace(event, tail=self._outputs.tail(event.run, _TAIL_LINES))
        self._sink.tell(event)
        self._systemd.hear(event)
        if self.requests is not None:
            self.requests.hear(event)
        if self.reporter is not None:
            self.reporter.hear(event)

    @contextlib.contextmanager
    def failing(self, part: str) -> Iterator[None]:
        """What is done in it may fail, and the service goes on without."""
        try:
            yield
        except HistoryError as error:
            self.tell(PartFailed(part=part, reason=str(error)))

    def _wants_tail(self, event: RunEnded | DaemonCrashLooping) -> bool:
        if isinstance(event, DaemonCrashLooping) or self._all_tails:
            return True
        return event.ending.outcome in (Outcome.FAILED, Outcome.TIMED_OUT)

    def fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault of ours in a callback: said with its place, and the service goes on."""
        error = context.get("exception")
        trace = traceback.extract_tb(error.__traceback__)[-1:] if error else []
        place = f" at {trace[0].filename}:{trace[0].lineno}" if trace else ""
        self.tell(PartFailed(part="the service", reason=f"{error or context['message']!r}{place}"))


def _say_goodbye(store: Store, clock: SystemClock, told: _Telling) -> None:
    with told.failing("the history"):
        store.end_service(at=clock.now().wall, how="stopped")


def raise_limits() -> None:
    """Every live run costs a descriptor; tasks get the limit back that we found."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _own_cgroup() -> str:
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _make_folders(settings: Settings) -> None:
    private = {settings.state_dir, settings.runs}
    for folder in (settings.state_dir, settings.run_dir, settings.log_dir, settings.runs,
                   settings.output):  # fmt: skip
        mode = 0o700 if folder in private else 0o755 if folder == settings.run_dir else 0o750
        try:
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                os.chmod(folder, mode)
            found = os.stat(folder)
        except PermissionError as error:
            raise NotPermitted(
                f"{error.filename or folder} cannot be made or read: {error.strerror}",
                hint="run as its owner, or choose another --state-dir",
            ) from error
        except OSError as error:
            raise SettingsError(
                f"{error.filename or folder} cannot be used: {error.strerror}",
                hint="choose another --state-dir",
            ) from error
        _check_folder(folder, found)


def _check_folder(folder: str, found: os.stat_result) -> None:
    """What others can write into decides what we run; so they must not."""
    if found.st_uid not in (os.geteuid(), 0):
        raise SettingsError(
            f"{folder} belongs to another user (uid {found.st_uid})",
            hint="choose another --state-dir, or give it to the service's user",
        )
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise SettingsError(f"others may write to {folder}", hint=f"chmod go-w {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotPermitted(f"{folder} is not writable", hint="run as its owner")


def _open_log(settings: Settings, foreground: bool, clock: SystemClock) -> LogFile | Terminal:
    form = settings.log_format
    if foreground:
        return Terminal(form="console" if form == "auto" else form, clock=clock)
    try:
        return LogFile(settings.log, form="logfmt" if form == "auto" else form, clock=clock)
    except OSError as error:
        raise SettingsError(f"the log {settings.log} cannot be opened: {error}") from error


def _run_ids(clock: SystemClock) -> Iterator[str]:
    """Names no other service on this or another host has given: when we started, a little
    chance for two at once, and a count. Short enough to type."""
    prefix = _base36(int(clock.now().wall)) + _base36(36 + secrets.randbelow(35 * 36))
    count = 0
    while True:
        count += 1
        yield f"{prefix}-{count}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


def _wait(seconds: float) -> None:
    """Before the loop runs there is nobody to wait with."""
    select.select([], [], [], seconds)
