"""Chooses the explainer of a predictor: exact where its structure allows, sampled for everything else.

An exact one is used only if the library has contributions for the kind of trees (LightGBM has none for linear leaves)
and they add up, on the background, to the margins that it says the model has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import TidewheelError
from tidewheel.registry.explain.linear import LinearExplainer
from tidewheel.registry.explain.records import Explainer, Scale
from tidewheel.registry.explain.sampled_shapley import SampledExplainer
from tidewheel.registry.explain.tree_shap import HasContributions, TreeExplainer
from tidewheel.registry.formats import Predictor

DEFAULT_EVALUATIONS = 4096
_MOST_CHECKED = 64
_LABELS = "predict"
_SINGLE_PRECISION = 1e-4  # XGBoost adds up in 32 bits


def explainer_of(
    predictor: Predictor, background: NDArray[np.float64], *, evaluations: int = DEFAULT_EVALUATIONS, seed: int = 0
) -> Explainer:
    """The best explainer that a predictor allows.

    Args:
        predictor: the model, as its format loads it: a faster runtime does not show its trees.
        background: rows that it usually gets, (rows, features), as those of the version's reference or sample; boosted
            trees do without, (0, features).
        evaluations: about how many rows a sampling explainer may ask the model to explain one.
        seed: of a sampling explainer.

    Raises:
        InvalidInput: if the model must be sampled and there is no background, or too small a budget.
    """
    exact = _tree_explainer(predictor, background) or _linear_explainer(predictor, background)
    return exact or SampledExplainer(predictor, background, evaluations=evaluations, seed=seed)


def _tree_explainer(predictor: Predictor, background: NDArray[np.float64]) -> TreeExplainer | None:
    if not isinstance(predictor, HasContributions):
        return None
    rows = background[:_MOST_CHECKED]
    if not len(rows):
        rows = np.outer(np.linspace(-2.0, 2.0, 9), np.ones(background.shape[1]))
    try:
        margins, sums = predictor.margins(rows), predictor.contributions(rows).sum(axis=2)
    except TidewheelError:  # the library has no contributions for this kind of trees
        return None
    if not _equal(margins, sums):
        return None
    return TreeExplainer(predictor, _scale(predictor, rows, margins))


def _linear_explainer(predictor: Predictor, background: NDArray[np.float64]) -> LinearExplainer | None:
    """Of an estimator of `sklearn.linear_model` that is not asked for labels."""
    estimator: Any = getattr(predictor, "estimator", None)
    if not type(estimator).__module__.startswith("sklearn.linear_model") or not hasattr(estimator, "coef_"):
        return None
    if not isinstance(estimator.coef_, np.ndarray) or not len(background) or not np.isfinite(background).all():
        return None
    answers = predictor.predict(background[:_MOST_CHECKED])
    weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)).T
    intercept = np.atleast_1d(np.asarray(estimator.intercept_, dtype=np.float64))
    labels = hasattr(estimator, "classes_") and getattr(predictor, "method", _LABELS) == _LABELS
    if labels or weights.shape != (background.shape[1], answers.shape[1]):
        return None
    margins = LinearExplainer(weights, intercept, background).margins(background[:_MOST_CHECKED])
    return LinearExplainer(weights, intercept, background, "output" if _equal(margins, answers) else "margin")


def _scale(predictor: Predictor, rows: NDArray[np.float64], margins: NDArray[np.float64]) -> Scale:
    return "output" if _equal(margins, predictor.predict(rows)) else "margin"


def _equal(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=_SINGLE_PRECISION, atol=_SINGLE_PRECISION)
