"""How records lie in a segment, and how to walk them.

    segment = magic (8 bytes), then frames; the rest is zero
    frame   = commit word (8 bytes: crc32 << 32 | length), payload, zeros up to a multiple of 8

A writer stores the payload first and the commit word last, in one aligned 8-byte store: a frame is there whole or not
at all for a reader in another process, and after `kill -9` between the two. The crc covers a machine that orders
stores weakly and pages torn by a power failure. Pure but for `read_frames`, which reads a file; used by the log,
never by the writer.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from tidewheel.storage.predictions.records import count_rows

MAGIC = b"TWSEG\x00\x00\x01"
FIRST_FRAME = len(MAGIC)
_CHUNK_BYTES = 1 << 20
_word_at = struct.Struct("=Q").unpack_from


def frame_bytes(length: int) -> int:
    """The room that a payload of this length takes."""
    return 8 + length + (-length & 7)


class Frames(NamedTuple):
    """Committed frames as (position, payload), and where they end."""

    found: list[tuple[int, bytes]]
    end: int
    wanting: int
    """How many records more were asked for; what fills the limit may bring a few too many."""

    @property
    def full(self) -> bool:
        """Whether they hold as many records as were asked for: then there may be more behind them."""
        return self.wanting <= 0


def walk_frames(data: bytes, limit: int) -> Frames:
    """The committed frames at the beginning of `data`, up to the one that makes it `limit` records."""
    found: list[tuple[int, bytes]] = []
    position, size = 0, len(data)
    while limit > 0 and position + 8 <= size:
        word = _word_at(data, position)[0]
        length = word & 0xFFFFFFFF
        start, end = position + 8, position + 8 + length
        if not length or end > size:
            break
        payload = data[start:end]
        if crc32(payload) != word >> 32:
            break
        found.append((position, payload))
        limit -= count_rows(payload)
        position = end + (-length & 7)
    return Frames(found, position, limit)


def read_frames(path: Path, offset: int, limit: int) -> Frames:
    """The committed frames of a file from `offset` on, by offset, up to the one that makes it `limit` records."""
    found: list[tuple[int, bytes]] = []
    offset = max(offset, FIRST_FRAME)
    chunk_bytes = _CHUNK_BYTES
    handle = os.open(path, os.O_RDONLY)
    try:
        while limit > 0:
            chunk = os.pread(handle, chunk_bytes, offset)
            walked = walk_frames(chunk, limit)
            found += [(offset + position, payload) for position, payload in walked.found]
            limit = walked.wanting
            offset += walked.end
            if not walked.found:
                needed = _bytes_wanted(chunk)
                if needed <= len(chunk) or len(chunk) < chunk_bytes:
                    break
                chunk_bytes = needed
    finally:
        os.close(handle)
    return Frames(found, offset, limit)


def read_frame(path: Path, offset: int) -> bytes | None:
    """The payload of the frame at `offset`, or None if no whole one lies there."""
    found = read_frames(path, offset, 1).found
    return found[0][1] if found and found[0][0] == offset else None


def _bytes_wanted(chunk: bytes) -> int:
    """How much must be read for the first frame of `chunk` to be whole."""
    return frame_bytes(_word_at(chunk)[0] & 0xFFFFFFFF) if len(chunk) >= 8 else 0
