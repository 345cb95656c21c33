"""The way of an SDK's calls to their tracking room: `append` takes a microsecond, a thread of its own delivers.

A call becomes a record in a spool file (`spool_file.py`), which is buffer and safety at once: memory stays bounded by
the page cache however long the room is away, and what a killed process had taken is delivered by the next one. The
thread gathers for 200 ms or 1,000 records, delivers, and ticks off. A refused record is logged once and raised at the
next `flush` or end of its run; a room that is away is asked again, at first after 0.2 s, later every 5 s.

One outbox per tracking room and process: `outbox_of(tracking)`. A forked child begins with an empty one of its own.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import os
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import TidewheelError, Unavailable
from tidewheel.base.hashing import hash_bytes
from tidewheel.base.ids import ulid
from tidewheel.base.settings import Settings
from tidewheel.tracking.sdk import recovery
from tidewheel.tracking.sdk.delivery import Record, decode, deliver, encode, spooled_files
from tidewheel.tracking.sdk.spool_file import FILE_BYTES, HEAD_BYTES, SUFFIX, SpoolFile
from tidewheel.tracking.service import Tracking

GATHER_S = 0.2
GATHER_RECORDS = 1000
MAX_DELIVERY = 10_000  # records handed over at once
EXIT_FLUSH_S = 10.0
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.2, 5.0
_FORK_WAIT_S = 1.0
_log = logging.getLogger("tidewheel.tracking")


class Outbox:
    """Takes records of this process for one tracking room."""

    def __init__(self, tracking: Tracking, folder: Path | None) -> None:
        self._tracking = tracking
        self._folder = folder
        self._sync = f"tidewheel runs sync {getattr(tracking, 'named_by', '')}".rstrip()
        clock = getattr(tracking, "clock", None)
        machine = clock is None or isinstance(clock, SystemClock)
        self.now_us: Callable[[], int] = _machine_us if machine or clock is None else clock.now_us
        self._begin()

    def _begin(self) -> None:
        """As in a process that has sent nothing yet."""
        self._lock = threading.Lock()  # appending
        self._delivering = threading.Lock()
        self._progress = threading.Condition()
        self._something, self._hurry = threading.Event(), threading.Event()
        self._files: list[SpoolFile] = []
        self._read_at = HEAD_BYTES
        self._taken = self._delivered = self._failures = self._waiting = 0
        self.away: TidewheelError | None = None  # why the room could not be reached last, if it could not
        self._refused: list[tuple[str, TidewheelError]] = []
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._life = object()  # a thread that outlived a close is of an earlier one, and ends

    @property
    def on_disk(self) -> bool:
        """Whether what is taken outlives the process."""
        return self._folder is not None

    def append(self, record: Record) -> None:
        """Take a record; it is safe from the death of this process when this returns."""
        data = encode(record)
        with self._lock:
            if self._thread is None:
                self._start()
            if not self._files[-1].append(data):
                self._files.append(self._new_file(len(data)))
                self._files[-1].append(data)
            self._taken += 1
            self._waiting += 1
            if self._waiting == 1:
                self._something.set()
            elif self._waiting == GATHER_RECORDS and self.away is None:
                self._hurry.set()

    def place_file(self, source: Path) -> str:
        """Copy a file beside the spool, which is on disk, for a record to name."""
        name = f"{ulid()}.file"
        shutil.copyfile(source, self.folder_of_files() / name)
        return name

    def folder_of_files(self) -> Path:
        """Where files lie that records name."""
        assert self._folder is not None
        folder = self._folder / "files"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until all that was taken is delivered.

        Raises:
            Unavailable: if the room is away or slow; what was taken stays in the spool and is delivered later.
            TidewheelError: what the room refused since the last flush, if it refused anything.
        """
        self.deliver_now(timeout_s)
        self.raise_refusals()
        if self._delivered < self._taken:
            raise Unavailable(
                f"{self._taken - self._delivered} records are not delivered yet: {self.away or 'it takes long'}",
                where=str(self._folder or "memory"),
                fix=f"They are sent when the server is back, by this process, the next, or `{self._sync}`.",
            )

    def deliver_now(self, timeout_s: float) -> bool:
        """Wait for one attempt at what was taken so far; whether it is delivered."""
        with self._lock:
            target, failures = self._taken, self._failures
        if self._delivered >= target or self._thread is None:
            return True
        self._hurry.set()
        self._something.set()
        with self._progress:
            self._progress.wait_for(
                lambda: self._delivered >= target or self._failures > failures or self._closing, timeout_s
            )
        return self._delivered >= target

    def raise_refusals(self, run_id: str | None = None) -> None:
        """Raise what was refused, of one run or of all, once."""
        with self._lock:
            mine = [error for run, error in self._refused if run_id in (None, run)]
            self._refused = [(run, error) for run, error in self._refused if run_id not in (None, run)]
        if mine:
            more = f" ({len(mine) - 1} more were refused; see the log.)" if len(mine) > 1 else ""
            raise type(mine[0])(mine[0].message + more, fix=mine[0].fix, where=mine[0].where)

    def close(self, timeout_s: float = EXIT_FLUSH_S) -> None:
        """Deliver what can be delivered and stop; the rest stays in the spool for the next process."""
        thread = self._thread
        if thread is None:
            return
        if not self.deliver_now(timeout_s):
            _log.warning(
                "%d records wait in %s (%s); `%s` sends them.",
                self._taken - self._delivered, self._folder or "memory, and are lost", self.away or "slow", self._sync,
            )  # fmt: skip
        self._closing = True
        self._hurry.set()
        self._something.set()
        thread.join(timeout_s)
        with self._lock:
            for file in self._files:
                file.close(delete=self._delivered == self._taken)
            self._begin()

    def _start(self) -> None:
        """Make the first file and the thread; the lock is held."""
        self._files.append(self._new_file(0))
        context = contextvars.copy_context()  # who acts here, acts there
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="tidewheel-sdk", daemon=True)
        self._thread.start()
        _close_with_multiprocessing(self)

    def _new_file(self, length: int) -> SpoolFile:
        size_bytes = max(FILE_BYTES, HEAD_BYTES + 8 + length)
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                return SpoolFile.create(self._folder / f"{ulid()}{SUFFIX}", size_bytes)
            except OSError as error:
                self._tell(f"There can be no spool in {self._folder} ({error.strerror}); calls are kept in memory.")
        if len(self._files) * FILE_BYTES > 64 * 2**20:
            raise Unavailable("64 MB of calls wait in memory.", fix="Give the spool a folder: tracking.spool_folder.")
        return SpoolFile.create(None, size_bytes)

    def _work(self) -> None:
        life, pause_s = self._life, GATHER_S
        self._recover()
        while self._life is life:
            self._something.wait()
            self._hurry.wait(pause_s)
            self._something.clear()
            self._hurry.clear()
            with self._lock:
                self._waiting = 0
            if self._closing:
                return
            pause_s = self._attempt(pause_s)

    def _attempt(self, pause_s: float) -> float:
        """Deliver all there is; how long to gather, or to wait, before the next attempt."""
        try:
            with self._delivering:
                while self._deliver_some():
                    pass
            self.away = None
            return GATHER_S
        except Exception as error:
            away = error if isinstance(error, TidewheelError) else TidewheelError(f"{type(error).__name__}: {error}")
            self._tell(f"Tracking calls wait in the spool: {away}")
            with self._progress:
                self.away = away
                self._failures += 1
                self._progress.notify_all()
            self._something.set()
            return min(max(pause_s, _FIRST_RETRY_S) * 2, _LONGEST_RETRY_S)

    def _deliver_some(self) -> bool:
        """Deliver the next records and tick them off; False when there are none."""
        with self._lock:
            file, last = self._files[0], len(self._files) == 1
        found = file.read(self._read_at, MAX_DELIVERY)
        if not found:
            if not last:
                file.close(delete=True)
                with self._lock:
                    self._files.pop(0)
                self._read_at = HEAD_BYTES
            return not last
        records = [decode(data) for data, _ in found]
        files = self._folder / "files" if self._folder is not None else None
        deliver(self._tracking, records, files, self._refuse)
        self._read_at = file.delivered = found[-1][1]
        for name in spooled_files(records):
            (self.folder_of_files() / name).unlink(missing_ok=True)
        with self._progress:
            self._delivered += len(records)
            self._progress.notify_all()
        return True

    def _recover(self) -> None:
        if self._folder is not None:
            try:
                recovery.deliver_left(self._tracking, self._folder)
            except TidewheelError as error:
                self._tell(f"What an earlier process left still waits: {error}")

    def _refuse(self, run_id: str, error: TidewheelError) -> None:
        _log.error("Refused for run %s: %s", run_id, error)
        with self._lock:
            self._refused.append((run_id, error))

    def _tell(self, text: str) -> None:
        """Log something once."""
        if text not in self._told:
            self._told.add(text)
            _log.warning("%s", text)


_outboxes: weakref.WeakKeyDictionary[Any, Outbox] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def outbox_of(tracking: Tracking) -> Outbox:
    """The one of this room, made at its first use."""
    found = _outboxes.get(tracking)
    if found is None:
        with _making:
            found = _outboxes.get(tracking)
            if found is None:
                found = _outboxes[tracking] = Outbox(tracking, tracking.spool_folder)
    return found


def spool_folder(settings: Settings, default: Path, destination: str) -> Path:
    """Where the spool of a destination lies: in a folder of its own where the setting says, or at `default`."""
    chosen = settings.get("tracking.spool_folder", str)
    return Path(chosen) / hash_bytes(destination.encode())[:16] if chosen else default


def close_outbox(tracking: Tracking) -> None:
    """Deliver and stop, before the room closes; nothing if the SDK was not used with it."""
    found = _outboxes.get(tracking)
    if found is not None:
        found.close()


def _machine_us() -> int:
    return time.time_ns() // 1000


def _close_all() -> None:
    for outbox in list(_outboxes.values()):
        outbox.close()


def _close_with_multiprocessing(outbox: Outbox) -> None:
    """Its children leave without `atexit`."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(outbox, outbox.close, exitpriority=10)


def _before_fork() -> None:
    """No delivery is under way in the instant of a fork, so the child inherits no lock or half a request."""
    _making.acquire()
    _held.extend(o._delivering for o in list(_outboxes.values()) if o._delivering.acquire(timeout=_FORK_WAIT_S))


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()
    _making.release()


def _after_fork_in_child() -> None:
    """The parent sends what it took; here begins an empty outbox."""
    global _making
    _held.clear()
    _making = threading.Lock()
    for outbox in list(_outboxes.values()):
        for file in outbox._files:
            file.close(delete=False)
        outbox._begin()


_held: list[threading.Lock] = []
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_close_all)
