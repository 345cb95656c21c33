"""Attributions of any model, by sampling: features are set to the row's values one after the other, in random orders.

Strumbelj & Kononenko 2014, "Explaining prediction models and individual predictions with feature contributions": a
feature's Shapley value is the mean change of the answer as it is set, over all orders of the features and all
background rows to start from. Each order is walked backwards too, from the same start: such antithetic pairs lower
the variance (Mitchell et al. 2022, "Sampling permutations for Shapley value estimation"). A walk begins at the
background's answer and ends at the row's, so the changes add up to their difference whatever the sample; every
background row begins equally many walks, so the base is the same for all rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.explain.records import Attributions
from tidewheel.registry.formats import Predictor, check_width

_MOST_STARTS = 64
_ROWS_AT_ONCE = 8192


class SampledExplainer:
    """Asks a predictor about mixtures of a row and background rows; the orders are drawn once, from a seed."""

    def __init__(self, predictor: Predictor, background: NDArray[np.float64], *, evaluations: int, seed: int) -> None:
        """Draw the walks.

        Args:
            predictor: the model.
            background: rows that it usually gets, (rows, features); at least one.
            evaluations: about how many rows it may be asked to explain one. More make the error smaller, by the root.
            seed: of the orders.

        Raises:
            InvalidInput: if there is no background, or the budget does not allow one pair of walks.
        """
        if background.ndim != 2 or 0 in background.shape:
            raise InvalidInput(
                "An explanation compares a row with others, and there are none.",
                fix="Log the model with its training rows: rows=….",
            )
        features = background.shape[1]
        pairs = evaluations // (2 * max(features - 1, 1))
        if pairs < 1:
            raise InvalidInput(
                f"{evaluations} evaluations do not explain a row of {features} features.",
                fix=f"Allow at least {2 * max(features - 1, 1)}; some thousands for a small error.",
            )
        self._predictor = predictor
        self._compared_with = len(background)
        self._draw(background, pairs, np.random.default_rng(seed))
        answers = self._ask(self._starts)
        self._base = answers.mean(axis=0)
        self._start_answers = answers[self._start_of]

    def _draw(self, background: NDArray[np.float64], pairs: int, generator: np.random.Generator) -> None:
        """Choose where walks start and, for each, at which step each feature is set: `_steps`, (walks, features)."""
        count = min(len(background), pairs, _MOST_STARTS)
        places = np.linspace(0, len(background) - 1, count).round().astype(np.int64)
        self._starts = np.ascontiguousarray(background[places], dtype=np.float64)
        pairs -= pairs % count  # every start begins equally many
        features = background.shape[1]
        forth = generator.permuted(np.tile(np.arange(features), (pairs, 1)), axis=1)
        self._steps = np.stack([forth, features - 1 - forth], axis=1).reshape(-1, features)
        self._start_of = np.repeat(np.arange(pairs) % count, 2)

    def explain(self, rows: NDArray[np.float64]) -> Attributions:
        check_width(rows, self._starts.shape[1])
        ends = self._ask(rows)
        values = np.empty((*rows.shape, ends.shape[1]))
        error = np.empty_like(values)
        for place, row in enumerate(rows):
            values[place], error[place] = self._explain_one(row, ends[place])
        base = np.repeat(self._base[None, :], len(rows), axis=0)
        return Attributions(values, base, "output", "sampled", error, self._compared_with)

    def _explain_one(
        self, row: NDArray[np.float64], end: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values of a row and their standard errors, (features, outputs) each."""
        walks, features = self._steps.shape
        along = np.empty((walks, features + 1, len(end)))
        along[:, 0], along[:, -1] = self._start_answers, end
        at_once = max(1, _ROWS_AT_ONCE // features)
        for begin in range(0, walks if features > 1 else 0, at_once):
            part = slice(begin, begin + at_once)
            along[part, 1:-1] = self._between(row, self._steps[part], self._start_of[part])
        changes = np.take_along_axis(np.diff(along, axis=1), self._steps[:, :, None], axis=1)
        pairs = changes.reshape(-1, 2, features, len(end)).mean(axis=1)
        error = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.full(pairs[0].shape, np.nan)
        return pairs.mean(axis=0), error

    def _between(
        self, row: NDArray[np.float64], steps: NDArray[np.int64], start_of: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The answers along walks, without their starts and ends: (walks, features - 1, outputs)."""
        walks, features = steps.shape
        is_set = steps[:, None, :] < np.arange(1, features)[None, :, None]
        mixed = np.where(is_set, row, self._starts[start_of][:, None, :])
        return self._ask(mixed.reshape(-1, features)).reshape(walks, features - 1, -1)

    def _ask(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._predictor.predict(np.ascontiguousarray(rows, dtype=np.float64))
