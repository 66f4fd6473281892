"""Composition root: the real parts are built and joined here, and read in start-up order.

Owns the order of starting and of stopping, and nothing else: what a part does is in its own file.
The lock is taken before everything that writes, and released last. Every part that can refuse the
start is opened before the task file is read, and the file is read before any run starts. The
service reports that it is ready when it can be used. Parts close in the opposite order: each after
all that feed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import select
from collections.abc import Iterator

from torch import zone
from torch.clock import SystemClock
from torch.daemon import folders, signals
from torch.daemon.address import primary_address
from torch.daemon.control import Control
from torch.daemon.detach import Readiness
from torch.daemon.load import Loader
from torch.daemon.logfile import LogFile, Terminal
from torch.daemon.loop import Loop
from torch.daemon.matcher import Matcher
from torch.daemon.notifier import Notifier
from torch.daemon.output import Outputs
from torch.daemon.place import Place
from torch.daemon.pruning import Pruner
from torch.daemon.reapers import Reapers
from torch.daemon.recorder import Recorder
from torch.daemon.recover import Recoverer
from torch.daemon.reporting import Reporter
from torch.daemon.requests import Requests
from torch.daemon.supervisor import Supervisor
from torch.daemon.systemctl import unit_of
from torch.daemon.systemd import Asked, Systemd
from torch.daemon.takeover import Takeover
from torch.daemon.telling import Telling
from torch.daemon.watcher import Watcher, identify
from torch.errors import SettingsError, TryAgain
from torch.event import ServiceReady
from torch.history.store import Store
from torch.linux import be_subreaper
from torch.reaper.processes import boot_id
from torch.schedule.commands import ReadFile, Send, Watch
from torch.schedule.firing import Lead
from torch.schedule.scheduler import Scheduler
from torch.settings import Settings
from torch.task import Task

LEAD = Lead(0.03, 0.0005)
"""How far ahead of a fire its row is written and its start prepared: several times as long as both
take, and too short for a person to change the plan."""


async def serve(settings: Settings, *, foreground: bool, readiness: Readiness, wish: Asked) -> None:
    """Runs one service until it is told to stop. Raises TorchError if it cannot start."""
    clock = SystemClock()
    zone.current()  # a TZ that means nothing is refused before anything is written in UTC
    async with contextlib.AsyncExitStack() as parts:
        systemd = Systemd(wish, monotonic_usec=clock.monotonic_usec)
        parts.callback(systemd.close)
        folders.make_folders(settings)
        outputs = Outputs(settings.output)
        told = Telling(outputs, systemd, all_tails=foreground)
        place = Place(settings, tell=told.tell, make_folders=lambda: folders.make_folders(settings))
        place.take(_wait)  # never given back: the kernel does that when nothing writes any more
        sink = told.sink = _open_log(settings, foreground, clock)
        parts.callback(sink.close)
        asyncio.get_running_loop().set_exception_handler(told.fault)

        store = Store(settings.history, at=clock.now().wall, set_aside=told.set_aside)
        parts.callback(store.close)
        boot = boot_id()
        past = store.recall(at=clock.now().wall)
        with told.failing("the history"):
            store.begin_service(pid=os.getpid(), boot_id=boot, at=clock.now().wall)
        parts.callback(_say_goodbye, store, clock, told)
        recorder = Recorder(store, boot_id=boot, tell=told.tell, is_ours=place.is_ours)

        # The core. What is opened from here on is closed before it, and may post until then.
        address = settings.address or primary_address()
        prefix = _prefix(clock)
        be_subreaper()  # should our reaper be killed, its runs are ours to wait for
        reapers = Reapers(settings.reapers, name=prefix, tell=told.tell)
        parts.callback(reapers.close)
        await reapers.start()
        scheduler = Scheduler(run_ids=_run_ids(prefix), lead=LEAD, host=address)
        loop = Loop(scheduler=scheduler, clock=clock, recorder=recorder, tell=told.tell)
        parts.callback(loop.close)

        # What feeds it.
        matcher = Matcher(post=loop.post, outputs=outputs, tell=told.tell)
        parts.push_async_callback(matcher.close)
        supervisor = Supervisor(
            clock=clock, post=loop.post, reapers=reapers, outputs=outputs,
            runs_dir=settings.runs, completed=matcher.complete, tell=told.tell,
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
        loop.perform_beside(ReadFile, loader.read)
        recoverer = Recoverer(
            store=store, reapers=reapers, runs_dir=settings.runs, boot_id=boot, clock=clock
        )
        takeover = Takeover(past, recoverer=recoverer, supervisor=supervisor, loop=loop)
        signals.listen(stop=takeover.stop, reload=loader.reload_soon, reopen=sink.reopen)
        seen = identify(settings.task_file)
        watcher = Watcher(
            settings.task_file, loader.reload_soon, seen=seen, clock=clock, tell=told.tell
        )
        parts.callback(watcher.stop)
        unit = unit_of(_own_cgroup()) if wish.address else None
        requests = Requests(
            loop=loop, loader=loader, clock=clock, address=address, unit=unit,
            failing={"log": sink.failing, "watch": watcher.failing},
            left_behind=supervisor.leftovers.find,
        )  # fmt: skip
        told.requests = requests
        control = Control(settings.socket, requests.answer)
        parts.push_async_callback(control.close)
        place.settle(control)
        parts.callback(place.leave)

        # All that can refuse has answered but for the task file: only a good one starts anything.
        async def recover(tasks: dict[str, Task]) -> None:
            if lost := place.lost():
                raise TryAgain(f"{lost} while the service started", hint="start it again")
            await takeover.recover(tasks)

        first = await loader.first_load(
            recover, decided=past.decided, rebooted=past.boot_id != boot
        )
        reporter = told.reporter = Reporter(
            settings, scheduler=scheduler, clock=clock, tell=told.tell
        )
        loop.lost = place.lost
        loop.at_beat = [sink.retry, reporter.beat, lambda: place.restore_soon(takeover.stop)]
        await _unless_stopping(scheduler, loop)
        await control.open()
        pruner = Pruner(
            store, clock=clock, days=settings.history_days, rows=settings.history_rows,
            tell=told.tell,
        )  # fmt: skip
        parts.callback(pruner.close)

        await _unless_stopping(scheduler, loop)
        gc.freeze()  # what start-up made lives as long as we do; the collector may skip it
        gc.enable()  # and none of it was garbage before
        requests.ready = True
        told.tell(
            ServiceReady(
                pid=os.getpid(), version=first.hash, file=settings.task_file,
                tasks=len(first.order), elsewhere=first.elsewhere,
            )
        )  # fmt: skip
        sink.flush()
        readiness.ready()
        await loop.until_left()


async def _unless_stopping(scheduler: Scheduler, loop: Loop) -> None:
    """A signal during the start: what runs is ended, and nobody is told that we are ready."""
    if scheduler.stopping:
        await loop.until_left()
        raise TryAgain("the service was stopped before it was ready", hint="start it again")


def _say_goodbye(store: Store, clock: SystemClock, told: Telling) -> None:
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


def _open_log(settings: Settings, foreground: bool, clock: SystemClock) -> LogFile | Terminal:
    form = settings.log_format
    if foreground:
        return Terminal(form="console" if form == "auto" else form, clock=clock)
    try:
        return LogFile(settings.log, form="logfmt" if form == "auto" else form, clock=clock)
    except OSError as error:
        raise SettingsError(f"the log {settings.log} cannot be opened: {error}") from error


def _prefix(clock: SystemClock) -> str:
    """A name no other service on this or another host has: when we started, and a little chance
    for two at once."""
    return _base36(int(clock.now().wall)) + _base36(36 + int.from_bytes(os.urandom(4)) % (35 * 36))


def _run_ids(prefix: str) -> Iterator[str]:
    """Short enough to type."""
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
