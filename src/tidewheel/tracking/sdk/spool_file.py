"""One file of the spool: records appended to a mapped file, read back in order, and ticked off as they are delivered.

    magic(8)  delivered(4)  its complement(4)  { length(4)  crc32(4)  record(length) } ...  zeros

A record is in the page cache when `append` returns, so `kill -9` of the process loses none; a power cut may cost the
last seconds. The frame's head is written after its record: what a kill cuts short is all zeros in the head and was
never acknowledged. The space is reserved when the file is made, so that a full disk is an error there and no bus error
later. Used by `outbox.py` (its own file) and `recovery.py` (those of dead processes). Threads: one appends, one reads.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import zlib
from pathlib import Path

from tidewheel.base.errors import Corrupt

MAGIC = b"TWSPOOL1"
HEAD_BYTES = 16
FILE_BYTES = 4 * 2**20
SUFFIX = ".spool"
_PAIR = struct.Struct("<II")
_ALL_ONES = 0xFFFFFFFF


class SpoolFile:
    """A mapped file that this process holds the lock of; without a path, memory that dies with the process."""

    def __init__(self, path: Path | None, file: int | None, mapped: mmap.mmap) -> None:
        self.path = path
        self._file = file
        self._map = mapped
        self._end = HEAD_BYTES

    @classmethod
    def create(cls, path: Path | None, size_bytes: int = FILE_BYTES) -> SpoolFile:
        """A new, empty one. `OSError` if the disk is full or the folder cannot be written."""
        if path is None:
            mapped = mmap.mmap(-1, size_bytes)
            mapped[:HEAD_BYTES] = MAGIC + _PAIR.pack(HEAD_BYTES, HEAD_BYTES ^ _ALL_ONES)
            return cls(None, None, mapped)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _reserve(file, size_bytes)
            mapped = mmap.mmap(file, size_bytes)
        except OSError:
            os.close(file)
            path.unlink()
            raise
        mapped[:HEAD_BYTES] = MAGIC + _PAIR.pack(HEAD_BYTES, HEAD_BYTES ^ _ALL_ONES)
        return cls(path, file, mapped)

    @classmethod
    def take_over(cls, path: Path) -> SpoolFile | None:
        """The file of a process that is gone; None if it lives, or another process has taken it over."""
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink == 0 or os.fstat(file).st_size < HEAD_BYTES:
                os.close(file)
                return None
            return cls(path, file, mmap.mmap(file, 0))
        except BlockingIOError:
            os.close(file)
            return None

    @property
    def delivered(self) -> int:
        """Up to where records were delivered; the beginning, if that was not written whole."""
        at, complement = _PAIR.unpack_from(self._map, 8)
        whole = at ^ complement == _ALL_ONES and HEAD_BYTES <= at <= len(self._map)
        return int(at) if whole else HEAD_BYTES

    @delivered.setter
    def delivered(self, at: int) -> None:
        self._map[8:HEAD_BYTES] = _PAIR.pack(at, at ^ _ALL_ONES)

    @property
    def end(self) -> int:
        """Up to where this process has appended."""
        return self._end

    def append(self, record: bytes) -> bool:
        """Write a record down; False if it does not fit any more."""
        length, at = len(record), self._end
        end = at + 8 + length
        if end > len(self._map):
            return False
        self._map[at + 8 : end] = record
        _PAIR.pack_into(self._map, at, length, zlib.crc32(record, length))
        self._end = end
        return True

    def read(self, at: int, limit: int) -> list[tuple[bytes, int]]:
        """Up to `limit` records from `at` on, each with where it ends; fewer at the end of what was appended.

        Raises:
            Corrupt: if what lies at `at` is neither a record nor unwritten space.
        """
        found: list[tuple[bytes, int]] = []
        size = len(self._map)
        if self._map[:8] != MAGIC:
            raise Corrupt("This is no spool file.", where=str(self.path))
        while len(found) < limit and at + 8 <= size:
            length, checksum = _PAIR.unpack_from(self._map, at)
            if length == 0 and checksum == 0:
                break
            end = at + 8 + length
            record = self._map[at + 8 : end]
            if length == 0 or end > size or zlib.crc32(record, length) != checksum:
                if found:
                    break
                raise Corrupt("The spool file is damaged.", where=f"{self.path}, byte {at} of {size}")
            found.append((record, end))
            at = end
        return found

    def close(self, *, delete: bool) -> None:
        """Let go of the file, and delete it if all of it was delivered."""
        self._map.close()
        if delete and self.path is not None:
            self.path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _reserve(file: int, size_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size_bytes)
        return
    for at in range(0, size_bytes, 2**20):  # a system without it: written out
        os.pwrite(file, bytes(min(2**20, size_bytes - at)), at)
