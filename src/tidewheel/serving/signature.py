"""What a version's signature asks of the values in its rows: whole numbers where it names integers, 0 or 1 where bools.

A floating-point column takes any number, and null for a missing one. Versions whose columns are all floats, which is
most, have nothing to check, so the hot path pays for one look at an empty tuple. Tensors are checked likewise, each as
a whole. Pure; used online and in batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensors import TensorSpec

Whole = tuple[tuple[int, str, str, float, float], ...]
_WIDEST = 2.0**53 - 1  # beyond, another number may have been given: float64 rounds 2**53 + 1 to 2**53


def whole_columns(names: Sequence[str], dtypes: Sequence[str]) -> Whole:
    """Place, name, dtype, lowest and highest value of each column that holds no fractions."""
    found = []
    for place, (name, dtype) in enumerate(zip(names, dtypes, strict=False)):
        bounds = _bounds(dtype)
        if bounds is not None:
            found.append((place, name, dtype, *bounds))
    return tuple(found)


def tensors_of(names: Sequence[str], shapes: Sequence[Sequence[int]], dtypes: Sequence[str]) -> tuple[TensorSpec, ...]:
    """The tensors that a version takes or gives; none where it has columns, which have no shapes."""
    found = zip(names, shapes, dtypes, strict=True) if shapes else ()
    return tuple(TensorSpec(name, tuple(shape), dtype) for name, shape, dtype in found)


def check_whole_tensor(spec: TensorSpec, values: NDArray[np.float64]) -> None:
    """Refuse a tensor with a value that its dtype cannot hold; `values` is (rows, values)."""
    bounds = _bounds(spec.dtype)
    if bounds is None or not values.size:
        return
    lowest, highest = bounds
    with np.errstate(invalid="ignore"):
        bad = ~((values == np.floor(values)) & (values >= lowest) & (values <= highest))
    if bad.any():
        row, place = (int(each) for each in np.unravel_index(int(bad.argmax()), bad.shape))
        raise _not_whole(spec.name, spec.dtype, row, float(values[row, place]), bounds)


def _bounds(dtype: str) -> tuple[float, float] | None:
    """The lowest and highest value of a dtype that holds no fractions."""
    if dtype == "bool":
        return 0.0, 1.0
    if not dtype.startswith(("int", "uint")):
        return None
    bounds = np.iinfo(dtype)
    return max(float(bounds.min), -_WIDEST), min(float(bounds.max), _WIDEST)


def check_whole(columns: Whole, rows: NDArray[np.float64]) -> None:
    """Refuse rows with a value that its column cannot hold, and say which and where."""
    for place, name, dtype, lowest, highest in columns:
        values = rows[:, place]
        with np.errstate(invalid="ignore"):
            bad = ~((values == np.floor(values)) & (values >= lowest) & (values <= highest))
        if bad.any():
            row = int(bad.argmax())
            raise _not_whole(name, dtype, row, float(values[row]), (lowest, highest))


def _not_whole(name: str, dtype: str, row: int, value: float, bounds: tuple[float, float]) -> InvalidInput:
    given = "null" if np.isnan(value) else _said(value)
    return InvalidInput(
        f"The input {name!r} is {dtype} in the version's signature, and row {row} gives {given}.",
        fix=f"Give whole numbers from {_said(bounds[0])} to {_said(bounds[1])}, none of them missing.",
    )


def _said(value: float) -> str:
    """A number with all the digits that it has before the point."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**63 else f"{value:g}"
