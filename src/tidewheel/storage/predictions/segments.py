"""Segment files: their names, a mapped one that is appended to, and sealing.

`predictions-w0-01jd….open` is being written by the process that holds its lock; sealing cuts it to its length and
renames it to `.sealed`, which never changes again. A segment whose writer was killed keeps `.open` without a lock until
`seal_abandoned` finds it. The stem is the segment's name in cursors and never changes.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zlib import crc32

from tidewheel.base.errors import Corrupt, Unavailable
from tidewheel.base.ids import ulid
from tidewheel.storage.predictions.frames import FIRST_FRAME, MAGIC, Frames, frame_bytes, read_frames

Kind = Literal["predictions", "labels"]
_ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as it lies in the folder; `size_bytes` of an open one is the room it has reserved."""

    stem: str
    path: Path
    sealed: bool
    size_bytes: int


def kind_of(stem: str) -> Kind:
    """What a segment holds, by its name."""
    return "predictions" if stem.startswith("predictions-") else "labels"


class OpenSegment:
    """A segment that this process appends to. Not for threads: its writer is one."""

    def __init__(self, folder: Path, kind: Kind, name: str, size_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.size_bytes = size_bytes
        self.path = folder / f"{kind}-{name}-{ulid()}.open"
        # The lock is taken under another name, so that nobody takes the new file for an abandoned one.
        unnamed = self.path.with_suffix(".new")
        self._handle = _create_locked(unnamed)
        try:
            _reserve(self._handle, size_bytes, folder)
        except Unavailable:
            unnamed.unlink()
            os.close(self._handle)
            raise
        self._map = mmap.mmap(self._handle, size_bytes)
        self._map[:FIRST_FRAME] = MAGIC
        self._words = memoryview(self._map).cast("Q")
        self._end = FIRST_FRAME
        unnamed.rename(self.path)

    def has_room(self, length: int) -> bool:
        """Whether frames of so many bytes in all fit behind what is there."""
        return self._end + length <= self.size_bytes

    def append(self, payload: bytes) -> bool:
        """Commit a payload to the mapped page; False if there is no room left for it."""
        start, length = self._end, len(payload)
        end = start + 8 + length + (-length & 7)
        if end > self.size_bytes:
            return False
        self._map[start + 8 : start + 8 + length] = payload
        self._words[start >> 3] = crc32(payload) << 32 | length
        self._end = end
        return True

    def seal(self) -> None:
        """Cut the file to what was written and make it final; an empty one is removed."""
        self._words.release()
        self._map.close()
        _finish(self._handle, self.path, self._end)
        os.close(self._handle)


def segments(folder: Path, kind: Kind) -> Iterator[Segment]:
    """The segments of a kind, oldest first within each writer."""
    if not folder.exists():
        return
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry) for entry in entries if entry.name.startswith(kind + "-"))
    for name, entry in found:
        stem, _, state = name.rpartition(".")
        if state not in ("open", "sealed"):
            continue
        try:
            size_bytes = entry.stat().st_size
        except FileNotFoundError:  # sealed since the folder was listed
            sealed = folder / f"{stem}.sealed"
            if not sealed.exists():
                continue
            yield Segment(stem, sealed, True, sealed.stat().st_size)
        else:
            yield Segment(stem, Path(entry.path), state == "sealed", size_bytes)


def read_segment(segment: Segment, offset: int, limit: int) -> Frames:
    """The frames of a segment from `offset` on, about `limit` records of them, wherever it lies by now.

    Raises:
        Corrupt: if a sealed segment does not end where its last frame ends.
    """
    try:
        frames = read_frames(segment.path, offset, limit)
    except FileNotFoundError:
        try:
            frames = read_frames(segment.path.with_suffix(".sealed"), offset, limit)
        except FileNotFoundError:  # empty, or compacted and passed by all: there was nothing more to read
            return Frames([], offset, limit)
    if segment.sealed and not frames.full and frames.end < segment.size_bytes:
        where = f"{segment.path}, byte {frames.end}"
        raise Corrupt("A sealed log segment is damaged.", where=where, fix="Restore it from a backup.")
    return frames


def seal_abandoned(folder: Path) -> list[str]:
    """Seal the open segments whose writer is gone, and return their stems."""
    stems = []
    for path in sorted([*folder.glob("*.open"), *folder.glob("*.new")]):
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                _finish(handle, path, read_frames(path, FIRST_FRAME, _ALL).end)
                stems.append(path.stem)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)
    return stems


def segment_room(segment_bytes: int, payloads: Sequence[bytes]) -> int:
    """The size of a new segment that must hold `payloads`: whole pages."""
    wanted = max(segment_bytes, FIRST_FRAME + sum(frame_bytes(len(payload)) for payload in payloads))
    return -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE


def _create_locked(path: Path) -> int:
    """A new file under our lock; made again if it was removed as abandoned between its creation and the lock."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)


def _reserve(handle: int, size_bytes: int, folder: Path) -> None:
    """Take the disk space now: a full disk must be an error here, not a SIGBUS at a later store."""
    try:
        os.posix_fallocate(handle, 0, size_bytes)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise Unavailable(
                f"No room for a log segment of {size_bytes} bytes: {error}.", where=str(folder), fix="Free disk space."
            ) from error
        os.ftruncate(handle, size_bytes)


def _finish(handle: int, path: Path, end: int) -> None:
    if end <= FIRST_FRAME:
        path.unlink()
        return
    os.ftruncate(handle, end)
    path.rename(path.with_suffix(".sealed"))
