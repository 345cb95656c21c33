"""Tensors that a model takes and gives, and how they lie in the matrix that stands for them inside the house.

Whatever a model takes, a request is a matrix of float64: a row's values of each input, flattened in C order, one input
behind another, and answers likewise. So routing, batches, isolation, shadows and the log know matrices alone, and only
the last step before a model's call (`formats.tensor_predictor`) knows shapes. A model of columns has no layout. Pure
but for one small file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidewheel.base.errors import Corrupt, InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "tensors.json"
MOST_ROW_VALUES = 2**24
"""Values that a row of all inputs, or of all outputs, may have."""
_MOST_CALL_VALUES = 2**21
_MOST_DIMENSIONS = 8
_DTYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a model: `tw.TensorSpec("image", (-1, 3, 32, 32), "float32")`.

    `shape` begins with -1, any number of rows, and is of known numbers behind; (-1,) is a number a row. `dtype` is
    numpy's name. Integers beyond 2**53 are not held exactly on the way to the model.

    Raises:
        InvalidInput: if another dimension is free, or the dtype is not of numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        rows, *rest = self.shape or (0,)
        if rows != -1 or not all(isinstance(size, int) and size > 0 for size in rest):
            raise InvalidInput(
                f"The tensor {self.name!r} has shape {list(self.shape)}, and only its first dimension, the rows, may "
                "be free.",
                fix="Give -1 for the rows and a number for each other dimension, as in (-1, 3, 32, 32).",
            )
        if len(self.shape) > _MOST_DIMENSIONS or self.width > MOST_ROW_VALUES:
            raise InvalidInput(
                f"The tensor {self.name!r} of shape {list(self.shape)} is too large.",
                fix=f"At most {_MOST_DIMENSIONS} dimensions and {MOST_ROW_VALUES:,} values a row can be served.",
            )
        if self.dtype not in _DTYPES:
            raise InvalidInput(
                f"The tensor {self.name!r} is of {self.dtype}, which cannot be served.",
                fix=f"Use one of {', '.join(sorted(_DTYPES))}.",
            )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row of it."""
        return self.shape[1:]

    @property
    def width(self) -> int:
        """How many values one row of it has."""
        return prod(self.shape[1:])


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """The tensors that a model takes and gives, in the order in which they lie; no outputs = not known beforehand."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()

    @property
    def width(self) -> int:
        """How many columns the matrix of the inputs has."""
        return sum(spec.width for spec in self.inputs)


def rows_at_once(width: int) -> int:
    """How many rows of so many values a model is asked at once.

    An image of 3 x 224 x 224 costs half a millisecond of memory in a call of 13 and two milliseconds in one of 64:
    beyond 32 MB, the C library takes fresh pages from the system for every call.
    """
    return max(1, _MOST_CALL_VALUES // max(width, 1))


def shaped_rows(spec: TensorSpec, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A tensor's values, in its shape or with each row's values flat, as its part of the matrix, (rows, values).

    Raises:
        InvalidInput: if they are of another shape.
    """
    given = values.shape[1:]
    unknown = not len(values) and len(given) > 0  # an empty column of lists does not say how long they would be
    if given not in (spec.row_shape, (spec.width,)) and not unknown and not (spec.width == 1 and not given):
        flat = f", or each row's values flat, [rows, {spec.width}]" if len(spec.row_shape) > 1 else ""
        raise InvalidInput(
            f"The input {spec.name!r} has shape {list(values.shape)}, and the model takes {list(spec.shape)}.",
            fix=f"Give [{', '.join(['rows', *map(str, spec.row_shape)])}]{flat}.",
        )
    return values.reshape(len(values), spec.width)


def specs_of(tensors: Mapping[str, NDArray[np.generic]]) -> tuple[TensorSpec, ...]:
    """What tensors say of themselves."""
    return tuple(TensorSpec(name, (-1, *tensor.shape[1:]), tensor.dtype.name) for name, tensor in tensors.items())


def write_layout(folder: Path, layout: TensorLayout) -> None:
    """Keep a layout among a model's files, for the formats whose own files do not say it."""
    (folder / FILE).write_bytes(msgspec.json.encode(layout))


def read_layout(folder: Path) -> TensorLayout | None:
    """The layout among a model's files; None if there is none.

    Raises:
        Corrupt: if the file is no layout.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=TensorLayout)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidInput) as error:
        raise Corrupt(f"The model's tensors cannot be read: {error}.", where=str(folder / FILE)) from None
