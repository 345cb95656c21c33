"""Where the prediction of an id lies, for joining labels that come back later.

Open segments are indexed in memory, as far as they have been written (bounded by their size); a sealed one gets a file
`<stem>.ids` of sorted 64-bit hashes, offsets and instants (24 bytes a prediction), mapped when needed. The file
outlives its segment: after compaction it tells at which instant to look in the Delta table. Shadow predictions are
not indexed: they carry the id of the answered one. Everything here can be rebuilt from the segments.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidewheel.storage.predictions.frames import FIRST_FRAME
from tidewheel.storage.predictions.records import heads
from tidewheel.storage.predictions.segments import Segment, read_segment

_ALL = 1 << 62
_HASH, _OFFSET, _AT_US = 0, 1, 2


@dataclass(slots=True)
class Places:
    """Where ids may be found: exact offsets in segments, and instants of those that have been compacted away."""

    offsets: dict[str, tuple[str, int]] = field(default_factory=dict)
    instants: dict[str, list[tuple[str, int]]] = field(default_factory=dict)


class IdIndex:
    """The index over one folder. Not for threads: the log holds a lock around it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[dict[str, int], int]] = {}
        self._sealed: dict[str, NDArray[np.int64]] = {}
        self._most_mapped = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4

    def locate(self, ids: Sequence[str], present: Sequence[Segment]) -> Places:
        """The places of ids, given the segments that are there now; newer segments win."""
        places = Places()
        hashes = np.array([hash_id(each) for each in ids], dtype=np.int64)
        there = {segment.stem for segment in present}
        indexed = self.stems()
        self._sealed = {stem: table for stem, table in self._sealed.items() if stem in indexed}  # others were removed
        for stem in indexed - there:
            self._search_removed(stem, ids, hashes, places)
        for segment in present:
            if segment.sealed:
                self._search_sealed(segment, ids, hashes, places)
            else:
                known = self._catch_up(segment)
                places.offsets.update({each: (segment.stem, known[each]) for each in ids if each in known})
        self._open = {stem: entry for stem, entry in self._open.items() if stem in there}
        return places

    def write(self, segment: Segment) -> NDArray[np.int64]:
        """Make the index file of a sealed segment."""
        self._open.pop(segment.stem, None)
        frames = read_segment(segment, FIRST_FRAME, _ALL).found
        placed = ((offset, head) for offset, payload in frames for head in heads(payload))
        rows = [(hash_id(head.id), offset, head.at_us) for offset, head in placed if head.arm != "shadow"]
        return self.keep(segment.stem, np.array(rows, dtype=np.int64).reshape(-1, 3).T)

    def keep(self, stem: str, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Make the index file of a segment of (hashes, offsets, instants), int64 (3, predictions), in any order."""
        table = table[:, np.lexsort(table[::-1])]
        target = self._path(stem)
        partial = target.with_suffix(f".ids-partial-{os.getpid()}")
        with partial.open("wb") as file:
            np.save(file, np.ascontiguousarray(table))
        partial.rename(target)
        self._sealed.pop(stem, None)
        return table

    def stale(self, before_us: int) -> set[str]:
        """The segments whose every prediction was made before an instant."""
        tables = ((stem, self._load(stem)) for stem in self.stems())
        return {stem for stem, table in tables if table is not None and np.all(table[_AT_US] < before_us)}

    def remove(self, stems: Sequence[str]) -> None:
        """Forget the index of segments."""
        for stem in stems:
            self._sealed.pop(stem, None)
            self._path(stem).unlink(missing_ok=True)

    def stems(self) -> set[str]:
        """The segments that have an index file."""
        return {path.stem for path in self._folder.glob("predictions-*.ids")}

    def _search_sealed(self, segment: Segment, ids: Sequence[str], hashes: NDArray[np.int64], places: Places) -> None:
        table = self._load(segment.stem)
        if table is None:
            table = self.write(segment)
        for row, column in _matches(table, hashes):
            places.offsets[ids[row]] = (segment.stem, int(table[_OFFSET, column]))

    def _search_removed(self, stem: str, ids: Sequence[str], hashes: NDArray[np.int64], places: Places) -> None:
        table = self._load(stem)
        if table is not None:
            for row, column in _matches(table, hashes):
                places.instants.setdefault(stem, []).append((ids[row], int(table[_AT_US, column])))

    def _catch_up(self, segment: Segment) -> dict[str, int]:
        known, offset = self._open.get(segment.stem, ({}, FIRST_FRAME))
        frames = read_segment(segment, offset, _ALL)
        for position, payload in frames.found:
            known.update((head.id, position) for head in heads(payload) if head.arm != "shadow")
        self._open[segment.stem] = (known, frames.end)
        return known

    def _load(self, stem: str) -> NDArray[np.int64] | None:
        """The index of a segment, if it has one. A mapped file costs a descriptor, so not all of them stay mapped."""
        if stem in self._sealed:
            return self._sealed[stem]
        try:
            table: NDArray[np.int64] = np.load(self._path(stem), mmap_mode="r")
        except FileNotFoundError:
            return None
        if len(self._sealed) < self._most_mapped:
            self._sealed[stem] = table
        return table

    def _path(self, stem: str) -> Path:
        return self._folder / f"{stem}.ids"


def hash_id(prediction_id: str) -> int:
    """64 signed bits of an id; what two ids may share is told apart where the record is read."""
    return int.from_bytes(blake2b(prediction_id.encode(), digest_size=8).digest(), "big", signed=True)


def _matches(table: NDArray[np.int64], hashes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(row of `hashes`, column of `table`) for each equal hash; of equal columns the last."""
    columns = np.searchsorted(table[_HASH], hashes, side="right") - 1
    hits = (columns >= 0) & (table[_HASH][columns] == hashes) if table.shape[1] else np.zeros(len(hashes), dtype=bool)
    return [(int(row), int(columns[row])) for row in np.flatnonzero(hits)]
