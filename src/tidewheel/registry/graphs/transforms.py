"""The nodes of a graph that work on the columns of what they take, by constants and without code of their own.

Each is its own description in `graph.json`: a field of the class is a field there. A missing value (NaN) stays missing
wherever it is not said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput


class Transform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="node", tag=str.lower):
    """A node that is arithmetic. `of` names the inputs and nodes that it takes, whose columns are laid side by side."""

    of: Sequence[str]

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            kept = (value,) if field == "of" and isinstance(value, str) else _plain(value)
            if not _is_finite(kept):
                raise InvalidInput(f"{type(self).__name__}: {field} holds a number that is not finite.")
            msgspec.structs.force_setattr(self, field, kept)
        self.check()

    def check(self) -> None:
        """Refuse constants that make no sense together.

        Raises:
            InvalidInput: saying which.
        """

    def width(self, widths: Sequence[int]) -> int:
        """The number of columns that it gives, where what it takes has so many each.

        Raises:
            InvalidInput: if it cannot take them.
        """
        return sum(widths)

    def answer(self, parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """What it makes of its parts, each (rows, columns), in the order of `of`."""
        return self.apply(side_by_side(parts))

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What it makes of the columns of all its parts, (rows, columns)."""
        raise NotImplementedError


class Columns(Transform, frozen=True):
    """Some of the columns, by their places from 0, in the order given."""

    places: Sequence[int]

    def check(self) -> None:
        if not self.places or any(type(place) is not int or place < 0 for place in self.places):
            raise InvalidInput(
                f"{list(self.places)} are no places of columns.", fix="Give whole numbers from 0, at least one."
            )

    def width(self, widths: Sequence[int]) -> int:
        if max(self.places) >= sum(widths):
            raise InvalidInput(f"It selects column {max(self.places)} of {sum(widths)}; the first is 0.")
        return len(self.places)

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows.take(self.places, axis=1)


class Impute(Transform, frozen=True):
    """Each missing value replaced by its column's constant."""

    values: Sequence[float]

    def width(self, widths: Sequence[int]) -> int:
        return _one_each("values", self.values, sum(widths))

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isnan(rows), np.asarray(self.values), rows)


class Standardize(Transform, frozen=True):
    """(x - mean) / scale, column by column: scikit-learn's StandardScaler with its `mean_` and `scale_`."""

    mean: Sequence[float]
    scale: Sequence[float]

    def check(self) -> None:
        if any(each == 0 for each in self.scale):
            raise InvalidInput("A scale of 0 divides by nothing.", fix="Give 1 for a column that is constant.")

    def width(self, widths: Sequence[int]) -> int:
        _one_each("mean", self.mean, sum(widths))
        return _one_each("scale", self.scale, sum(widths))

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        answers: NDArray[np.float64] = (rows - np.asarray(self.mean)) / np.asarray(self.scale)
        return answers


class Rescale(Transform, frozen=True):
    """(x - low) / (high - low), column by column: low becomes 0 and high becomes 1."""

    low: Sequence[float]
    high: Sequence[float]

    def check(self) -> None:
        if any(low == high for low, high in zip(self.low, self.high, strict=False)):
            raise InvalidInput("low and high of a column are equal, so nothing lies between them.")

    def width(self, widths: Sequence[int]) -> int:
        _one_each("low", self.low, sum(widths))
        return _one_each("high", self.high, sum(widths))

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        low = np.asarray(self.low)
        answers: NDArray[np.float64] = (rows - low) / (np.asarray(self.high) - low)
        return answers


class Clip(Transform, frozen=True):
    """No value below `low` or above `high`; None sets no bound."""

    low: float | None = None
    high: float | None = None

    def check(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InvalidInput(f"Nothing lies between {self.low} and {self.high}.", fix="Give low first.")
        if self.low is None and self.high is None:
            raise InvalidInput("Clip without bounds does nothing.", fix="Give low=, high= or both.")

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(rows, self.low, self.high)


class Threshold(Transform, frozen=True):
    """1 where the value is `at` or more, else 0."""

    at: float = 0.5

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isnan(rows), np.nan, rows >= self.at)


class Sigmoid(Transform, frozen=True):
    """1 / (1 + exp(-x)): log-odds as a probability."""

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        small = np.exp(-np.abs(rows))
        answers: NDArray[np.float64] = np.where(rows < 0, small, 1.0) / (1.0 + small)
        return answers


class Softmax(Transform, frozen=True):
    """exp(x) over the sum of exp over all columns of the row: scores as probabilities that add up to 1."""

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        answers: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return answers


def side_by_side(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The columns of all parts as one C-contiguous table."""
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.hstack(parts))


def _plain(value: Any) -> Any:
    """NumPy's arrays and numbers as Python's, so that they can be written down; a sequence as a tuple."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _is_finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _one_each(field: str, constants: Sequence[float], columns: int) -> int:
    if len(constants) != columns:
        raise InvalidInput(
            f"{field} has {len(constants)} constants, and there are {columns} columns.", fix="Give one for each column."
        )
    return columns
