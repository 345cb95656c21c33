"""How far a window lies from other windows, column by column, from counts alone.

Called by `window_evidence`. Three scores in reference deviations: the distance (binned W1 between bin centres, plus the
change of the missing share), and the signed shift of the mean upwards and downwards. The last bin of each column counts
missing values; columns with fewer bins than the widest are padded with zeros behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.stats import FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class WindowScores:
    """Scores of count matrices (..., columns, widest bins) on fixed bins."""

    def __init__(self, bins: Sequence[FeatureBins], width: int) -> None:
        self._missing = np.array([each.size - 1 for each in bins])
        self._present = np.arange(width) < self._missing[:, None]
        self._gaps = np.zeros((len(bins), width))
        for row, each in enumerate(bins):
            if each.edges:
                self._gaps[row, : len(each.edges)] = each.gaps

    def __call__(self, window: Floats, others: Floats) -> Floats:
        """(..., columns, 3): distance, shift up, shift down of windows from others."""
        theirs, ours = self._cumulated(others), self._cumulated(window)
        moved = theirs - ours
        distance = (np.abs(moved) * self._gaps).sum(axis=-1)
        distance += np.abs(self._missing_share(window) - self._missing_share(others))
        up = (moved * self._gaps).sum(axis=-1)
        scores: Floats = np.stack([distance, up, -up], axis=-1)
        return scores

    def _cumulated(self, counts: Floats) -> Floats:
        present = counts * self._present
        shares: Floats = np.cumsum(present, axis=-1) / np.maximum(present.sum(axis=-1, keepdims=True), 1e-12)
        return shares

    def _missing_share(self, counts: Floats) -> Floats:
        missing = np.take_along_axis(counts, np.broadcast_to(self._missing[:, None], (*counts.shape[:-1], 1)), axis=-1)
        share: Floats = missing[..., 0] / np.maximum(counts.sum(axis=-1), 1e-12)
        return share

    def means(self, counts: Floats) -> Floats:
        """The mean of each column up to a constant, in reference deviations."""
        means: Floats = -(self._cumulated(counts) * self._gaps).sum(axis=-1)
        return means
