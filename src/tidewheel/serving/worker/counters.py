"""Counts that all workers of a home share without a lock: each has a mapped file of its own, and any of them reads all.

    file  = magic (8 bytes), then entries until a length of zero
    entry = length of the key (8 bytes), value (float64), key as JSON `[name, [[label, value], …]]`, zeros up to 8

A worker that starts again goes on with its file, so counters do not fall back. Called by `metrics`, on the hot path.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]

_MAGIC = b"TWCOUNT\x01"
_FILE_BYTES = 4 * 2**20
_decode_key = msgspec.json.Decoder(tuple[str, tuple[tuple[str, str], ...]]).decode
_encode_key = msgspec.json.Encoder().encode


class CounterFile:
    """One worker's counts. `cells[i]` is the number of the cell that `cell(key)` named `i`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(handle, _FILE_BYTES)
            self._map = mmap.mmap(handle, _FILE_BYTES)
        finally:
            os.close(handle)
        self.cells = memoryview(self._map).cast("d")
        self._lengths = memoryview(self._map).cast("Q")
        self._known: dict[Key, int] = {}
        self._end = len(_MAGIC)
        if self._map[: len(_MAGIC)] != _MAGIC:
            self._map[:] = _MAGIC + bytes(_FILE_BYTES - len(_MAGIC))
        for key, position, following in _walk(self._map):
            self._known[key] = (position + 8) >> 3
            self._end = following
        if self._lengths[self._end >> 3]:  # a damaged entry: it and what lies behind it is forgotten
            self._map[self._end :] = bytes(_FILE_BYTES - self._end)
        self._overflow = self.cell("tidewheel_serving_uncounted_total")

    def cell(self, name: str, labels: Labels = ()) -> int:
        """The index of a cell, made if it is new. When the file is full, all further keys share one cell."""
        key = (name, labels)
        index = self._known.get(key)
        if index is None:
            index = self._known[key] = self._add(key)
        return index

    def _add(self, key: Key) -> int:
        text = _encode_key(key)
        position, following = self._end, self._end + _entry_bytes(len(text))
        if following + 64 > _FILE_BYTES:
            return self._overflow
        self._map[position + 16 : position + 16 + len(text)] = text
        self._lengths[position >> 3] = len(text)  # last: readers see the entry whole
        self._end = following
        return (position + 8) >> 3


def read_counters(folder: Path) -> dict[Key, float]:
    """The sum of each cell over all workers' files."""
    sums: dict[Key, float] = {}
    for path in sorted(folder.glob("*.counters")):
        if not path.stat().st_size:  # a worker is just making it
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for key, position, _ in _walk(data):
                value: float = struct.unpack_from("=d", data, position + 8)[0]
                sums[key] = sums.get(key, 0.0) + value
    return sums


def sum_of(counters: Mapping[Key, float], name: str, **labels: str) -> float:
    """The sum of the cells of a name that carry these labels."""
    wanted = set(labels.items())
    return sum(value for (each, having), value in counters.items() if each == name and wanted <= set(having))


def group_by_name(counters: dict[Key, float]) -> dict[str, list[tuple[Labels, float]]]:
    """Cells by name, with labels in order."""
    groups: dict[str, list[tuple[Labels, float]]] = {}
    for (name, labels), value in sorted(counters.items()):
        groups.setdefault(name, []).append((labels, value))
    return groups


def _walk(data: mmap.mmap | bytes) -> Iterator[tuple[Key, int, int]]:
    """The entries in order, up to the end or to one that is damaged: what follows that is counted anew."""
    position = len(_MAGIC)
    while position + 16 <= len(data):
        length: int = struct.unpack_from("=Q", data, position)[0]
        following = position + _entry_bytes(length)
        if not 0 < length <= 65_536 or following > len(data):
            return
        try:
            key = _decode_key(bytes(data[position + 16 : position + 16 + length]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        yield key, position, following
        position = following


def _entry_bytes(length: int) -> int:
    return 16 + length + (-length & 7)


def labels_without(labels: Sequence[tuple[str, str]], name: str) -> Labels:
    """The labels but one."""
    return tuple(label for label in labels if label[0] != name)
