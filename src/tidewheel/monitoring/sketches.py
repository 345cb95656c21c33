"""Mergeable sketches of traffic: counts of every column on the reference's bins, by step of time.

One row a step holds all columns as an int32 matrix (columns x widest bins). Merging is addition, so what a check costs
depends on the number of columns and steps, not on traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.stats import FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int32]


class SketchLayout:
    """Which row of the matrix is which column, and how its values are binned."""

    def __init__(self, bins: dict[str, FeatureBins]) -> None:
        self.columns = tuple(bins)
        self.width = max((each.size for each in bins.values()), default=1)
        self._bins = tuple(bins.values())
        self._edges = [np.asarray(each.edges) for each in self._bins]

    def count_steps(
        self, at_us: NDArray[np.int64], columns: dict[str, NDArray[np.float64]], step_us: int
    ) -> dict[int, Counts]:
        """The counts of a batch, by the instant at which each step begins. Columns are numeric; NaN is missing."""
        starts, places = np.unique(at_us // step_us * step_us, return_inverse=True)
        first_cell = places * (len(self.columns) * self.width)
        counts = np.zeros(len(starts) * len(self.columns) * self.width, dtype=np.int64)
        for row, name in enumerate(self.columns):
            index = np.searchsorted(self._edges[row], columns[name], side="left")
            index[~np.isfinite(columns[name])] = self._bins[row].size - 1
            counts += np.bincount(first_cell + row * self.width + index, minlength=counts.size)
        by_step = counts.astype(np.int32).reshape(len(starts), len(self.columns), self.width)
        return dict(zip(starts.tolist(), by_step, strict=True))

    def pack(self, counts: Counts) -> bytes:
        """The stored form of one step's counts."""
        return counts.astype("<i4").tobytes()

    def unpack(self, stored: bytes) -> Counts:
        """The counts that `pack` stored."""
        return np.frombuffer(stored, dtype="<i4").reshape(len(self.columns), self.width)

    def merge(self, steps: Iterable[tuple[int, bytes]], length_us: int) -> Iterator[tuple[int, Counts]]:
        """Windows of a length, merged from (instant, stored counts) in order of time; empty ones are left out."""
        for start_us, group in groupby(steps, key=lambda step: step[0] // length_us * length_us):
            yield start_us, np.sum([self.unpack(stored) for _, stored in group], axis=0, dtype=np.int32)
