"""What the online store holds of one entity of one view: a run of float64, read and extended without decoding the rest.

First four numbers for each `last` feature (newest instant and value, the ones before it), so that a read sees what was
before its instant even when an event of that very instant has come; then the tiles, oldest first. Tiles that no window
reaches any more are dropped as new ones come. Pure. Used by `plan` (reads), `push` and `materialize` (writes).
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from tidewheel.features.tile_layout import Floats, value_of
from tidewheel.features.view import FeatureView

_LAST_SLOTS = 4
_NOTHING = np.empty(0)
_NEVER = (-math.inf, math.nan, -math.inf, math.nan)


def key_of(view: FeatureView, entity: str) -> bytes:
    """Where an entity of a view is kept."""
    return prefix_of(view) + short_key(entity)


def prefix_of(view: FeatureView) -> bytes:
    """What the keys of all entities of a view begin with."""
    return b"v" + bytes.fromhex(view.hash[:16])


def short_key(entity: str) -> bytes:
    """An entity's key as bytes; very long ones as their hash, since stores limit the length of a key."""
    raw = entity.encode()
    if len(raw) <= 400:
        return raw
    from tidewheel.base.hashing import hash_bytes

    return b"\xff" + bytes.fromhex(hash_bytes(raw))


def read_values(view: FeatureView, packed: bytes | None, at_us: int) -> list[float]:
    """The view's features at an instant, in order, from what is stored of an entity (None: nothing)."""
    layout = view.layout
    out = [math.nan] * len(view.features)
    head = len(view.lasts) * _LAST_SLOTS
    numbers = np.frombuffer(packed, np.float64) if packed else _NOTHING
    for index, (place, _) in enumerate(view.lasts):
        if packed:
            out[place] = _last_value(numbers, index * _LAST_SLOTS, at_us, view.ttl_us)
    if not layout.width:
        return out
    tiles = numbers[head:].reshape(-1, layout.width)
    ids = tiles[:, 0].tolist()
    end = at_us // view.every_us
    stop = bisect_left(ids, end)
    for window, features in layout.by_window.items():
        first = bisect_left(ids, end - window)
        folded = layout.fold_one(tiles, first, stop) if first < stop else layout.empty
        for feature in features:
            out[feature.place] = value_of(feature, folded)
    return out


def _last_value(numbers: Floats, start: int, at_us: int, ttl_us: int | None) -> float:
    newest, value, before, value_before = numbers[start : start + _LAST_SLOTS].tolist()
    if newest >= at_us:
        newest, value = before, value_before
    if newest >= at_us or (ttl_us is not None and at_us - newest > ttl_us):
        return math.nan
    return float(value)


class PackedTiles:
    """What is stored of an entity, being extended by events in the order in which they come."""

    def __init__(self, view: FeatureView, packed: bytes | None) -> None:
        self._view = view
        self._layout = view.layout
        self._row = struct.Struct(f"<{view.layout.width}d")
        self._head = len(view.lasts) * _LAST_SLOTS
        size = self._head * 8
        self._lasts = list(struct.unpack_from(f"<{self._head}d", packed)) if packed else list(_NEVER * len(view.lasts))
        self._tiles = bytearray(packed[size:]) if packed else bytearray()

    def add(self, at_us: int, values: Sequence[float | None]) -> bool:
        """Count an event in; `values` are those of `view.columns`, None where missing or not finite.

        Returns:
            False if it came too late to be counted: no window of the newest tile reaches it.
        """
        present = dict(zip(self._view.columns, values, strict=True))
        for index, (_, column) in enumerate(self._view.lasts):
            value = present[column]
            if value is not None:
                self._add_last(index * _LAST_SLOTS, at_us, value)
        return self._add_to_tile(at_us // self._view.every_us, present) if self._layout.width else True

    def packed(self) -> bytes:
        """What is to be stored: without the tiles that are out of reach."""
        if self._layout.width and self._tiles:
            oldest = self._number(len(self._tiles) - self._row.size) - self._layout.longest
            dropped = 0
            while self._number(dropped) < oldest:
                dropped += self._row.size
            del self._tiles[:dropped]
        return struct.pack(f"<{self._head}d", *self._lasts) + bytes(self._tiles)

    def take_over(self, pushed: PackedTiles, from_us: int) -> None:
        """Go on with what was pushed from an instant on, where a tile begins."""
        for start in range(0, self._head, _LAST_SLOTS):
            for slot in (start + 2, start):
                if pushed._lasts[slot] >= from_us:
                    self._add_last(start, int(pushed._lasts[slot]), pushed._lasts[slot + 1])
        place, first = 0, from_us // self._view.every_us
        while place < len(pushed._tiles) and pushed._number(place) < first:
            place += self._row.size
        self._tiles += pushed._tiles[place:]

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._tiles) or any(at > -math.inf for at in self._lasts[::2])

    def _add_last(self, start: int, at_us: int, value: float) -> None:
        lasts = self._lasts
        if at_us > lasts[start]:
            lasts[start : start + _LAST_SLOTS] = [float(at_us), value, lasts[start], lasts[start + 1]]
        elif at_us == lasts[start]:
            lasts[start + 1] = value
        elif at_us >= lasts[start + 2]:
            lasts[start + 2 : start + _LAST_SLOTS] = [float(at_us), value]

    def _add_to_tile(self, number: int, present: dict[str, float | None]) -> bool:
        place = self._place(number)
        if place is None:
            return False
        tile = list(self._row.unpack_from(self._tiles, place))
        tile[1] += 1.0
        for column, slots in self._layout.columns.items():
            value = present[column]
            if value is None:
                continue
            if slots.valid:
                tile[slots.valid] += 1.0
            if slots.total:
                tile[slots.total] += value
            if slots.squares:
                tile[slots.squares] += value * value
            if slots.least and value < tile[slots.least]:
                tile[slots.least] = value
            if slots.greatest and value > tile[slots.greatest]:
                tile[slots.greatest] = value
        self._row.pack_into(self._tiles, place, *tile)
        return True

    def _place(self, number: int) -> int | None:
        """Where the tile of a number begins, made if it is not there; None if it is out of reach."""
        size, place = self._row.size, len(self._tiles)
        if place and number < self._number(place - size) - self._layout.longest:
            return None
        while place and self._number(place - size) > number:
            place -= size
        if place and self._number(place - size) == number:
            return place - size
        self._tiles[place:place] = self._row.pack(float(number), *self._layout.empty[1:])
        return place

    def _number(self, place: int) -> int:
        number: float = struct.unpack_from("<d", self._tiles, place)[0]
        return int(number)
