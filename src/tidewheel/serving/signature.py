"""What a version's signature asks of the values in its rows: whole numbers where it names integers, 0 or 1 where bools.

A floating-point column takes any number, and null for a missing one. Versions whose columns are all floats, which is
most, have nothing to check, so the hot path pays for one look at an empty tuple. Pure; used online and in batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput

Whole = tuple[tuple[int, str, str, float, float], ...]
_WIDEST = 2.0**53  # beyond, float64 does not hold every whole number


def whole_columns(names: Sequence[str], dtypes: Sequence[str]) -> Whole:
    """Place, name, dtype, lowest and highest value of each column that holds no fractions."""
    found = []
    for place, (name, dtype) in enumerate(zip(names, dtypes, strict=False)):
        if dtype == "bool":
            found.append((place, name, dtype, 0.0, 1.0))
        elif dtype.startswith(("int", "uint")):
            bounds = np.iinfo(dtype)
            found.append((place, name, dtype, max(float(bounds.min), -_WIDEST), min(float(bounds.max), _WIDEST)))
    return tuple(found)


def check_whole(columns: Whole, rows: NDArray[np.float64]) -> None:
    """Refuse rows with a value that its column cannot hold, and say which and where."""
    for place, name, dtype, lowest, highest in columns:
        values = rows[:, place]
        with np.errstate(invalid="ignore"):
            bad = ~((values == np.floor(values)) & (values >= lowest) & (values <= highest))
        if bad.any():
            row = int(bad.argmax())
            given = "null" if np.isnan(values[row]) else f"{values[row]:g}"
            raise InvalidInput(
                f"The input {name!r} is {dtype} in the version's signature, and row {row} gives {given}.",
                fix=f"Give whole numbers from {lowest:g} to {highest:g}, none of them missing.",
            )
