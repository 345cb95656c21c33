"""Exact attributions of scikit-learn's linear models: a feature adds weight * (value - mean of the background).

That is the Shapley value of a linear function whose missing features are drawn from the background (Lundberg & Lee
2017, corollary 1). It explains the margin: the weighted sum, before a link.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.explain.records import Attributions, Scale
from tidewheel.registry.formats import check_width


class LinearExplainer:
    """Explains rows @ weights + intercept."""

    def __init__(
        self,
        weights: NDArray[np.float64],
        intercept: NDArray[np.float64],
        background: NDArray[np.float64],
        scale: Scale = "margin",
    ) -> None:
        """Weights (features, outputs), intercept (outputs,) and background (rows, features)."""
        self._weights = weights
        self._intercept = intercept
        self._mean = background.mean(axis=0)
        self._scale = scale
        self._compared_with = len(background)

    def margins(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weighted sums, (rows, outputs)."""
        sums: NDArray[np.float64] = rows @ self._weights + self._intercept
        return sums

    def explain(self, rows: NDArray[np.float64]) -> Attributions:
        check_width(rows, len(self._mean))
        if not np.isfinite(rows).all():
            raise InvalidInput(
                "A linear model takes no missing or infinite values, and was given some.",
                fix="Give every input a finite number.",
            )
        values = (rows - self._mean)[:, :, None] * self._weights
        base = np.repeat(self.margins(self._mean[None, :]), len(rows), axis=0)
        return Attributions(values, base, self._scale, "linear", compared_with=self._compared_with)
