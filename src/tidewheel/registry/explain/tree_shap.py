"""Exact attributions of boosted trees, by LightGBM's and XGBoost's own TreeSHAP.

Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees": in polynomial
time and by the trees' own counts of training rows, so it needs no background. It explains the margin: the trees' sum.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tidewheel.registry.explain.records import Attributions, Scale


@runtime_checkable
class HasContributions(Protocol):
    """A predictor whose library computes TreeSHAP."""

    def margins(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]: ...
    def contributions(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]: ...


class TreeExplainer:
    """Asks the library."""

    def __init__(self, booster: HasContributions, scale: Scale) -> None:
        """`scale` is `output` where the model answers with its margin as it is."""
        self._booster = booster
        self._scale = scale

    def explain(self, rows: NDArray[np.float64]) -> Attributions:
        found = self._booster.contributions(rows)  # (rows, outputs, features + 1)
        values = np.ascontiguousarray(found[:, :, :-1].transpose(0, 2, 1))
        return Attributions(values, found[:, :, -1], self._scale, "tree_shap")
