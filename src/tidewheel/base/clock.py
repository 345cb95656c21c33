"""What time it is, for every process of one home.

Ordinarily the machine's time. A home may instead run on a *replay clock*: eight bytes in a mapped file that whoever
replays history (the demos, a test) moves forward. All processes of the home read it, so a day passes for the whole
platform when it passes for the traffic, however fast or slow the machine is. Durations of work (latency, cost) are
never measured with this clock but with the machine's.

`as_of` pins the instant that a piece of work is about (a pipeline run reads data as of its start, also when resumed).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tidewheel.base.units import from_us, to_us

_as_of: ContextVar[datetime | None] = ContextVar("tidewheel_as_of", default=None)


class Clock(Protocol):
    """Tells the platform's time. Threads may share one; it never goes backwards within a process."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""

    def now_us(self) -> int:
        """The current instant in microseconds since 1970."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_us(self) -> int:
        return to_us(datetime.now(UTC))


class ReplayClock:
    """A clock in a mapped file: one process moves it, all others read it. Reading costs well under a microsecond."""

    def __init__(self, path: Path, start: datetime | None = None) -> None:
        """Open the clock at `path`; with `start`, create it there and set it."""
        if start is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(struct.pack("<q", to_us(start)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        return from_us(self.now_us())

    def now_us(self) -> int:
        at_us: int = struct.unpack_from("<q", self._map)[0]
        return at_us

    def advance_to(self, at: datetime) -> None:
        """Move the clock to `at`; an earlier instant is ignored, since time does not run backwards."""
        at_us = to_us(at)
        if at_us > self.now_us():
            struct.pack_into("<q", self._map, 0, at_us)


def clock_at(path: Path) -> Clock:
    """The replay clock if a file lies at `path`, else the machine's clock."""
    return ReplayClock(path) if path.exists() else SystemClock()


@contextmanager
def as_of(at: datetime) -> Iterator[None]:
    """Within the block, work is about the instant `at`: data are read as they were then."""
    token = _as_of.set(at)
    try:
        yield
    finally:
        _as_of.reset(token)


def pinned_as_of() -> datetime | None:
    """The instant that the current work is about, or None when it is about now."""
    return _as_of.get()
