"""Refuse bad numbers at the door, with a sentence that says which argument and how to mend it.

Called by every statistic of the room. It must never repair a value silently: a NaN that is dropped here would be a
decision taken on other data than the caller believes.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
State: TypeAlias = dict[str, Any]  # what to_dict() gives and from_dict() takes: plain JSON values


def finite_column(values: ArrayLike, name: str) -> Floats:
    """`values` as a one-dimensional float array; refuses NaN and infinities."""
    column = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if column.ndim != 1:
        raise ValueError(f"{name} must be one column of numbers, got shape {column.shape}; flatten it first")
    if not np.isfinite(column).all():
        at = int(np.flatnonzero(~np.isfinite(column))[0])
        raise ValueError(f"{name}[{at}] is {column[at]}; drop or count missing values before calling")
    return column


def same_length(a: NDArray[Any], b: NDArray[Any], names: str) -> None:
    """Two columns that describe the same rows must have the same number of rows."""
    if len(a) != len(b):
        raise ValueError(f"{names} must describe the same rows, got {len(a)} and {len(b)}")


def probability(value: float, name: str) -> float:
    """A number strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value}")
    return float(value)
