"""Notices that the task file may have changed. The reader decides whether it did.

Owns the inotify watches (by watchdog). Directories are watched for entries that come, go or are
renamed: an editor replaces the file by rename, a release by a symlink swap anywhere on the path,
and a watch on the old inode would see neither. What is written into the file is seen by a watch on
the file alone, so that files that tasks write into the same directory wake nobody. A slow check of
the path itself catches what no watch can: network file systems, a directory that was removed and
made again, and a host that has no inotify instance left. A watch that cannot be made stops nothing:
it is logged, and tried again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from torch.clock import Clock, rfc3339
from torch.event import Event, PartFailed, PartRecovered
from torch.linux import FileWatch, close_on_exec

DEBOUNCE = 0.1
"""Seconds of quiet before a change counts: an editor writes in several steps."""

LONGEST = 0.5
"""Seconds after which a file that never comes to rest is read all the same."""

LOOK = 5.0
"""Seconds between two looks at the path itself."""

PART = "watching the task file"
_MAX_LINKS = 40  # as the kernel's own limit
_ENTRIES: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileMovedEvent, FileDeletedEvent,
    DirCreatedEvent, DirMovedEvent, DirDeletedEvent,
]  # fmt: skip
"""What the kernel is to tell of a directory. Each event costs a turn of two threads of watchdog,
which takes longer than to start a run: a task that writes a log there must not cause any."""

Identity = tuple[int, int, int, int] | None


def identify(path: str) -> Identity:
    """What tells one state of a file from another without reading it; None: it is missing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def places(path: str) -> frozenset[str]:
    """Every directory entry whose replacement changes what `path` names: the file, and each
    symlink on the way to it. Absolute paths."""
    found: set[str] = set()
    todo = [os.path.abspath(path)]
    for _ in range(_MAX_LINKS):
        if not todo:
            break
        current = todo.pop()
        found.add(current)
        prefix = "/"
        for part in current.split("/")[1:]:
            entry = os.path.join(prefix, part)
            if os.path.islink(entry):
                found.add(entry)
                rest = current[len(entry) :].lstrip("/")
                target = os.path.join(prefix, os.readlink(entry), rest)
                todo.append(os.path.normpath(target.rstrip("/")))
                break
            prefix = entry
    return frozenset(found)


class Watcher(FileSystemEventHandler):
    def __init__(
        self, path: str, changed: Callable[[], None], *, seen: Identity, clock: Clock,
        tell: Callable[[Event], None],
    ) -> None:  # fmt: skip
        """`seen`: what `identify` said before the file was read; a change since is a change."""
        self._path = path
        self._changed = changed
        self._clock = clock
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._observer: BaseObserver | None = None
        self._folders: dict[str, tuple[object, int]] = {}
        self._content: FileWatch | None = None
        self._places: frozenset[str] = frozenset()
        self._debounce: asyncio.TimerHandle | None = None
        self._first_touch = 0.0
        self._identity = seen
        self._failed: tuple[float, str] | None = None  # since when (wall), and why
        self._watch()
        self._looking: asyncio.Handle = self._loop.call_soon(self._look)

    def failing(self) -> dict[str, Any] | None:
        """Since when a change is seen by the slow look alone, and why; None: all is well."""
        if self._failed is None:
            return None
        return {"since": rfc3339(self._failed[0]), "reason": self._failed[1]}

    def stop(self) -> None:
        self._looking.cancel()
        if self._debounce is not None:
            self._debounce.cancel()
        if self._content is not None:
            self._loop.remove_reader(self._content.fd)
            self._content.close()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def dispatch(self, event: FileSystemEvent) -> None:
        """On watchdog's thread: drops what is of another file, and posts the rest to the loop."""
        if {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)} & self._places:
            self._loop.call_soon_threadsafe(self._touched)

    def _touched(self) -> None:
        now = self._loop.time()
        if self._debounce is None:
            self._first_touch = now
            self._watch()  # the file may be another one, which is being written
        else:
            self._debounce.cancel()
        left = self._first_touch + LONGEST - now
        self._debounce = self._loop.call_later(max(0.0, min(DEBOUNCE, left)), self._settled)

    def _settled(self) -> None:
        self._debounce = None
        self._watch()
        self._identity = identify(self._path)
        self._changed()

    def _look(self) -> None:
        self._looking = self._loop.call_later(LOOK, self._look)
        self._watch()
        if self._debounce is None and identify(self._path) != self._identity:
            self._settled()

    def _watch(self) -> None:
        """Watches the file and the folders that matter now, and no others."""
        self._places = places(self._path)
        try:
            self._watch_folders()
            self._watch_content()
        except (OSError, RuntimeError) as error:  # no inotify instance left, or no thread
            self._fail(getattr(error, "strerror", None) or str(error))
        else:
            self._recover()
        close_on_exec()

    def _watch_folders(self) -> None:
        """Raises OSError and RuntimeError for what cannot be watched, after the rest."""
        if self._observer is None:
            observer = Observer()
            observer.daemon = True
            try:
                observer.start()
            except BaseException:
                observer.stop()
                raise
            self._observer = observer
        wanted = {}
        for folder in {os.path.dirname(place) for place in self._places}:
            try:
                wanted[folder] = os.stat(folder).st_ino
            except OSError:
                continue  # _look comes back to it
        for folder, (watch, inode) in list(self._folders.items()):
            if wanted.get(folder) != inode:
                self._observer.unschedule(watch)  # type: ignore[arg-type]
                del self._folders[folder]
        failed: OSError | None = None
        for folder, inode in wanted.items():
            if folder not in self._folders:
                try:
                    watch = self._observer.schedule(self, folder, event_filter=_ENTRIES)
                except (FileNotFoundError, PermissionError):  # _look has to do
                    continue
                except OSError as error:
                    failed = error
                    continue
                self._folders[folder] = (watch, inode)
        if failed is not None:
            raise failed

    def _watch_content(self) -> None:
        """What is written into the file. watchdog cannot: of a file it watches the whole directory.
        Raises OSError."""
        if self._content is None:
            self._content = FileWatch()
            self._loop.add_reader(self._content.fd, self._written)
        self._content.set(self._path)

    def _written(self) -> None:
        if self._content is not None and self._content.read():
            self._touched()

    def _fail(self, reason: str) -> None:
        if self._failed is None:
            self._failed = self._clock.now().wall, reason
            what = f"{reason}; the file is checked every {LOOK:g} s instead"
            self._tell(PartFailed(part=PART, reason=what))

    def _recover(self) -> None:
        if self._failed is not None:
            self._failed = None
            self._tell(PartRecovered(part=PART))
