"""Mergeable sketches of traffic: for each (endpoint, version, minute), counts of every column on the reference's bins.

One row a minute holds the counts of all columns as an int32 matrix (columns x widest bins). Merging is addition, so
what a check costs depends on the number of columns and minutes, not on traffic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidewheel.stats import BinnedSketch, FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

MINUTE_US = 60_000_000


class SketchLayout:
    """Which row of the matrix is which column, and how its values are binned."""

    def __init__(self, bins: dict[str, FeatureBins]) -> None:
        self.bins = bins
        self.width = max((each.size for each in bins.values()), default=1)
        self._edges = {name: np.asarray(each.edges) for name, each in bins.items()}

    def count_minutes(
        self, at_us: NDArray[np.int64], columns: dict[str, NDArray[np.float64]]
    ) -> dict[int, NDArray[np.int32]]:
        """The counts of a batch, by minute. Columns are numeric; NaN counts as missing."""
        minutes, places = np.unique(at_us // MINUTE_US * MINUTE_US, return_inverse=True)
        counts = np.zeros((len(minutes), len(self.bins), self.width), dtype=np.int32)
        for row, (name, bins) in enumerate(self.bins.items()):
            values = columns[name]
            index = np.searchsorted(self._edges[name], values, side="left")
            index[~np.isfinite(values)] = bins.size - 1
            np.add.at(counts[:, row], (places, index), 1)
        return dict(zip(minutes.tolist(), counts, strict=True))

    def pack(self, counts: NDArray[np.int32]) -> bytes:
        """The stored form of one minute's counts."""
        return counts.astype("<i4").tobytes()

    def unpack(self, stored: bytes) -> NDArray[np.int32]:
        """The counts that `pack` stored."""
        return np.frombuffer(stored, dtype="<i4").reshape(len(self.bins), self.width)

    def merge(self, minutes: list[bytes]) -> dict[str, BinnedSketch]:
        """The sketches of all columns over several minutes; empty without any."""
        if not minutes:
            return {}
        total = np.stack([self.unpack(stored) for stored in minutes]).sum(axis=0, dtype=np.int64)
        return {
            name: BinnedSketch(bins, total[row, : bins.size].copy())
            for row, (name, bins) in enumerate(self.bins.items())
        }
