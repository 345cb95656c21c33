"""How a view's events are summed up in tiles, and how tiles become feature values: the one place where both are said.

A tile is `every` long and begins at a multiple of it. It is a row of float64: its number, sums (of rows, values,
squares), least values, greatest values. Training folds all tiles of a dataset at once (`fold_many`), serving those of
one entity (`fold_one`); both add with `numpy.add.reduceat` over the same rows in the same order: to the same bit.
Pure. Used by `point_in_time`, `packed_tiles` and `plan`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidewheel.features.aggregations import Aggregation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROWS_SLOT = 1  # slot 0 is the tile's number, slot 1 counts its events


@dataclass(frozen=True, slots=True)
class ColumnSlots:
    """Where a column's values are kept in a tile; 0 where it is not kept."""

    valid: int = 0
    total: int = 0
    squares: int = 0
    least: int = 0
    greatest: int = 0


@dataclass(frozen=True, slots=True)
class Windowed:
    """One windowed feature: its place among the view's features, its kind, its window in tiles, its column's slots."""

    place: int
    kind: str
    window: int
    slots: ColumnSlots


class TileLayout:
    """The slots of one view's tiles, from its aggregations and the length of a tile."""

    def __init__(self, aggregations: Sequence[Aggregation], every_us: int) -> None:
        windowed = [found for found in aggregations if found.window_us is not None]
        kinds: dict[str, set[str]] = {}
        for found in windowed:
            if found.column is not None:
                kinds.setdefault(found.column, set()).add(found.kind)
        slot = _Slots(ROWS_SLOT + 1)
        sums = {
            column: (
                slot.take(bool(asked & {"mean", "std"})),
                slot.take(bool(asked & {"sum", "mean", "std"})),
                slot.take("std" in asked),
            )
            for column, asked in kinds.items()
        }
        self.sums_end = slot.next
        least = {column: slot.take("min" in asked) for column, asked in kinds.items()}
        self.least_end = slot.next
        greatest = {column: slot.take("max" in asked) for column, asked in kinds.items()}
        self.width = slot.next if windowed else 0
        self.columns = {column: ColumnSlots(*sums[column], least[column], greatest[column]) for column in kinds}
        self.features = tuple(
            Windowed(
                place, found.kind, found.window_us // every_us, self.columns.get(found.column or "", ColumnSlots())
            )
            for place, found in enumerate(aggregations)
            if found.window_us is not None
        )
        self.windows = tuple(sorted({feature.window for feature in self.features}))
        self.by_window = {w: tuple(f for f in self.features if f.window == w) for w in self.windows}
        self.longest = self.windows[-1] if self.windows else 0
        self.empty = tuple(
            [0.0] * self.sums_end + [math.inf] * (self.least_end - self.sums_end)
            + [-math.inf] * (self.width - self.least_end)
        )  # fmt: skip

    def fold_one(self, tiles: Floats, first: int, stop: int) -> Sequence[float]:
        """Tiles ``first`` to ``stop`` (not included; at least one) as one."""
        if stop - first == 1:
            alone: list[float] = tiles[first].tolist()
            return alone
        some = tiles[first:stop]
        folded: list[float] = np.add.reduceat(some[:, : self.sums_end], (0,), axis=0)[0].tolist()
        if self.least_end > self.sums_end:
            folded += np.minimum.reduceat(some[:, self.sums_end : self.least_end], (0,), axis=0)[0].tolist()
        if self.width > self.least_end:
            folded += np.maximum.reduceat(some[:, self.least_end :], (0,), axis=0)[0].tolist()
        return folded

    def fold_many(self, tiles: Floats, first: Ints, stop: Ints) -> Floats:
        """For each pair of bounds the tiles between as one. `tiles` ends in one more row, which is in none of them."""
        bounds = np.column_stack([first, stop]).ravel()
        folded = np.concatenate(
            [
                np.add.reduceat(tiles[:, : self.sums_end], bounds, axis=0)[::2],
                np.minimum.reduceat(tiles[:, self.sums_end : self.least_end], bounds, axis=0)[::2],
                np.maximum.reduceat(tiles[:, self.least_end :], bounds, axis=0)[::2],
            ],
            axis=1,
        )
        folded[first >= stop] = self.empty
        return folded


def value_of(feature: Windowed, tile: Sequence[float]) -> float:
    """A feature's value of one folded tile."""
    slots = feature.slots
    if feature.kind == "count":
        return tile[ROWS_SLOT]
    if feature.kind == "sum":
        return tile[slots.total]
    if feature.kind == "mean":
        return tile[slots.total] / tile[slots.valid] if tile[slots.valid] else math.nan
    if feature.kind == "std":
        return _deviation(tile[slots.valid], tile[slots.total], tile[slots.squares])
    value = tile[slots.least if feature.kind == "min" else slots.greatest]
    return value if math.isfinite(value) else math.nan


def values_of(feature: Windowed, tiles: Floats) -> Floats:
    """A feature's values of many folded tiles: the same arithmetic, a column at a time."""
    slots = feature.slots
    if feature.kind == "count":
        return tiles[:, ROWS_SLOT]
    if feature.kind == "sum":
        return tiles[:, slots.total]
    if feature.kind == "mean":
        return tiles[:, slots.total] / tiles[:, slots.valid]
    if feature.kind == "std":
        return _deviations(tiles[:, slots.valid], tiles[:, slots.total], tiles[:, slots.squares])
    values = tiles[:, slots.least if feature.kind == "min" else slots.greatest]
    return np.where(np.isfinite(values), values, np.nan)


def _deviation(valid: float, total: float, squares: float) -> float:
    if valid < 2:
        return math.nan
    variance = (squares - total * total / valid) / (valid - 1)
    return math.sqrt(max(variance, 0.0))


def _deviations(valid: Floats, total: Floats, squares: Floats) -> Floats:
    variance = (squares - total * total / valid) / (valid - 1)
    return np.where(valid < 2, np.nan, np.sqrt(np.maximum(variance, 0.0)))


class _Slots:
    """Hands out slots in turn."""

    def __init__(self, first: int) -> None:
        self.next = first

    def take(self, wanted: bool) -> int:
        self.next += wanted
        return self.next - 1 if wanted else 0
