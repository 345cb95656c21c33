"""The surge model: how likely is this rider to accept at each price, and which price is worth most.

A demand curve (a ridge logistic regression in ln(multiplier)) gives acceptance its shape in the price; LightGBM,
bound to fall with the price, corrects it for what the curve cannot bend to. Used by the demonstration's pipeline to
train, and by the inference workers, which load a pickled `SurgePolicy`. It sees only features, never the world.

Why not LightGBM alone (8 seeds; 8 leaves, 150 to 200 trees, not searched further): on 40,000 quotes of history, the
price that its argmax picks is the one whose acceptance it overestimates (true less foretold: -0.017; with the curve
+0.001), and fitted on 6,000 quotes after the competitor's launch it is worth 27 % less than the stale model (worst
-57 %), the curve 23 % more (worst +20 %). Without the explored 5 %, +21 % (worst +14 %) and foretold acceptance 0.05
too low; on 12,000 quotes before the launch and 1,500 after it, +4 % (worst -2 %): hence the cut at the change point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.demo.market.fares import COST_SHARE

if TYPE_CHECKING:
    import lightgbm

FEATURES = (
    "requests_15m",
    "accept_rate_1h",
    "wait_1h",
    "pressure",
    "drivers",
    "rain",
    "base_fare",
    "hour",
    "centre_km",
)
DRIVERS, RAIN, BASE_FARE, HOUR, CENTRE_KM = (
    FEATURES.index(name) for name in ("drivers", "rain", "base_fare", "hour", "centre_km")
)
PRICE = len(FEATURES)  # the column after the features: the multiplier (training) or the one offered (serving)
GRID = np.array([0.9, 1.05, 1.2, 1.35, 1.5, 1.7, 1.9, 2.2, 2.5])
TREES = 60
TREE_PARAMETERS = {
    "objective": "binary",
    "num_leaves": 4,
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "lambda_l2": 20.0,
    "max_bin": 63,
    "monotone_constraints": [0] * PRICE + [-1],
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbose": -1,
}
_HARMONICS = 3  # of the day
_RIDGE = 12.0  # a prior standard deviation of about 0.3 on every weight but the intercept and the slope
_NEWTON_STEPS = 12


def _terms(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve's inputs: those of its level, and those of its slope, from request values that are never missing."""
    wet = np.minimum(rows[:, RAIN], 2.0)
    far = rows[:, CENTRE_KM] / 4.0
    one = np.ones(len(rows))
    fare = np.log(np.maximum(rows[:, BASE_FARE], 1.0) / 14.0)
    angle = np.outer(rows[:, HOUR], np.arange(1, _HARMONICS + 1) * (2 * np.pi / 24))
    level = np.column_stack((one, fare, wet, far, 1.0 / (rows[:, DRIVERS] + 1.0), np.sin(angle), np.cos(angle)))
    return level, np.column_stack((one, wet, far))


@dataclass(frozen=True, slots=True)
class DemandCurve:
    """logit P(accept) = level . level_terms + (slope . slope_terms) * ln(multiplier)."""

    level: np.ndarray
    slope: np.ndarray

    def scores(self, rows: np.ndarray, log_prices: np.ndarray) -> np.ndarray:
        """Log-odds of acceptance: one row for each of `rows`, one column for each of its prices."""
        level_terms, slope_terms = _terms(rows)
        result: np.ndarray = (level_terms @ self.level)[:, None] + (slope_terms @ self.slope)[:, None] * log_prices
        return result


def fit_demand_curve(rows: np.ndarray, accepted: np.ndarray) -> DemandCurve:
    """Ridge logistic regression by Newton's method; the column `PRICE` of `rows` is the multiplier shown."""
    level_terms, slope_terms = _terms(rows)
    design = np.column_stack((level_terms, slope_terms * np.log(rows[:, PRICE])[:, None]))
    split = level_terms.shape[1]
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[[0, split]] = 1e-3
    weights = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        probability = _logistic(design @ weights)
        gradient = design.T @ (probability - accepted) + ridge * weights
        curvature = (design * (probability * (1.0 - probability))[:, None]).T @ design + np.diag(ridge)
        weights -= np.linalg.solve(curvature, gradient)
    return DemandCurve(weights[:split], weights[split:])


@dataclass(frozen=True, slots=True)
class AcceptanceModel:
    """P(accept | features, multiplier): the curve, corrected by the trees. Pickles whole."""

    curve: DemandCurve
    trees: lightgbm.Booster

    def probabilities(self, rows: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """P(accept) for each row (features, a price column that is ignored) at each of its prices (n x k)."""
        count, width = prices.shape
        asked = np.repeat(rows, width, axis=0)
        asked[:, PRICE] = prices.ravel()
        correction = np.asarray(
            self.trees.predict(asked, raw_score=True, num_threads=1, predict_disable_shape_check=True)
        )
        return _logistic(self.curve.scores(rows, np.log(prices)) + correction.reshape(count, width))


def fit_acceptance(rows: np.ndarray, accepted: np.ndarray) -> AcceptanceModel:
    """Fit on quotes with known outcomes: `rows` is n x (features..., multiplier shown), `accepted` is 0 or 1.

    The same recipe serves 40,000 rows of history and 5,000 rows after a change point.
    """
    import lightgbm

    target = np.asarray(accepted, dtype=np.float64)
    curve = fit_demand_curve(rows, target)
    start = curve.scores(rows, np.log(rows[:, PRICE])[:, None])[:, 0]
    trees = lightgbm.train(TREE_PARAMETERS, lightgbm.Dataset(rows, target, init_score=start), TREES)
    return AcceptanceModel(curve, trees)


class SurgePolicy:
    """The model that is served: the price of the grid with the best expected value, or the price that was offered."""

    def __init__(self, acceptance: AcceptanceModel) -> None:
        self._acceptance = acceptance

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(multiplier, P(accept) at it) for rows of (features..., offered); NaN in `offered`: the model chooses."""
        rows = np.asarray(rows, dtype=np.float64)
        offered = rows[:, PRICE]
        prices = np.broadcast_to(GRID, (len(rows), len(GRID))).copy()
        explored = ~np.isnan(offered)
        prices[explored] = offered[explored, None]
        probability = self._acceptance.probabilities(rows, prices)
        best = np.argmax(probability * (prices - COST_SHARE), axis=1)
        index = np.arange(len(rows))
        return np.column_stack((prices[index, best], probability[index, best]))


def price_inverted(rows: np.ndarray) -> np.ndarray:
    """Training rows whose multiplier was exported upside down (1 / m): the mistake behind act two's bad candidate.

    A model fitted on them looks well on a holdout with the same mistake, passes an offline gate, and then asks the
    highest price of everybody.
    """
    broken = rows.copy()
    broken[:, PRICE] = 1.0 / broken[:, PRICE]
    return broken


def _logistic(score: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1.0 / (1.0 + np.exp(-score))
    return result
