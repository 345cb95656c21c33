"""The nodes of a graph that make one answer of several members' answers, without code of their own.

Members are what `of` names, one each; their answers must be equally wide. A missing value (NaN) of any member makes the
combined value missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.graphs.transforms import Transform


class Mean(Transform, frozen=True):
    """The mean of the members' answers, weighted where `weights` has one for each; they need not add up to 1."""

    weights: Sequence[float] = ()

    def check(self) -> None:
        if self.weights and len(self.weights) != len(self.of):
            raise InvalidInput(f"There are {len(self.weights)} weights for {len(self.of)} members.")
        if self.weights and (min(self.weights) < 0 or sum(self.weights) <= 0):
            raise InvalidInput("Weights are zero or more, and not all zero.", fix=f"Given: {list(self.weights)}.")

    def width(self, widths: Sequence[int]) -> int:
        return _equal(widths)

    def answer(self, parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        weights = self.weights or (1.0,) * len(parts)
        answers = parts[0] * (weights[0] / sum(weights))
        for part, weight in zip(parts[1:], weights[1:], strict=True):
            answers = answers + part * (weight / sum(weights))
        return answers


class Median(Transform, frozen=True):
    """The median of the members' answers, column by column."""

    def width(self, widths: Sequence[int]) -> int:
        return _equal(widths)

    def answer(self, parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        answers: NDArray[np.float64] = np.median(np.stack(parts), axis=0)
        return answers


class Vote(Transform, frozen=True):
    """The label that most members name; the lowest where several are named equally often.

    A member with one column names its value; one with a column for each class names the place of the largest.
    """

    def width(self, widths: Sequence[int]) -> int:
        _equal(widths)
        return 1

    def answer(self, parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        votes = np.hstack([_named(part) for part in parts])
        for_each = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
        # Of the labels with the most votes the lowest: all others are put out of reach.
        elected = np.where(for_each == for_each.max(axis=1, keepdims=True), votes, np.inf).min(axis=1)
        return np.where(np.isnan(votes).any(axis=1), np.nan, elected).reshape(-1, 1)


def _named(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    if answers.shape[1] == 1:
        return answers
    missing = np.isnan(answers).any(axis=1)
    return np.where(missing, np.nan, answers.argmax(axis=1)).reshape(-1, 1)


def _equal(widths: Sequence[int]) -> int:
    if len(set(widths)) != 1:
        raise InvalidInput(
            f"Its members give {', '.join(map(str, widths))} columns, and they must give equally many.",
            fix="Select columns first, with tw.nodes.Columns.",
        )
    return widths[0]
