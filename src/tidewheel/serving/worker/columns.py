"""Inputs whose values came as a table, not as tensors: columns by name, and a block of rows without names.

MLflow's and KServe's older formats, CSV and pandas-like tensors all become these; to `model_inputs` they are inputs
like any other. What is wrong with a value is said when it is known what the column is for. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.inference_codec import MOST_DIMENSIONS, check_shape

Cell = bool | int | float | str | None
_MISSING = frozenset({"", "NaN", "nan", "null", "None", "NA"})  # as pandas reads CSV
_TRUTH = {"true": 1.0, "false": 0.0}
_SPARSE_CELLS = 2**20  # cells of a table of records of which any part may be left out
_MOST_SPARSE = 8  # and cells a given value, where there are more


@dataclass(frozen=True, slots=True)
class Column:
    """One column; null is a missing number."""

    name: str
    values: Sequence[Cell]

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64, (rows,)."""
        check_shape(self.name, [len(self.values)], len(self.values))
        return _numbers(self.name, self.values)

    def texts(self) -> list[str]:
        """The values as strings; whole numbers are taken as their digits, as keys often are numbers."""
        check_shape(self.name, [len(self.values)], len(self.values))
        return [self._text(row, value) for row, value in enumerate(self.values)]

    def _text(self, row: int, value: Cell) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, float) and value.is_integer():  # pandas makes floats of whole numbers with gaps
            return str(int(value))
        if not isinstance(value, int) or isinstance(value, bool):
            raise _unfit(self.name, row, value, "text or a whole number")
        return str(value)


@dataclass(frozen=True, slots=True)
class TextColumn:
    """One column of a CSV, whose cells are text until it is known what they are for."""

    name: str
    cells: Sequence[str]

    def numbers(self) -> NDArray[np.float64]:
        """The cells as float64, (rows,); an empty one is missing."""
        check_shape(self.name, [len(self.cells)], len(self.cells))
        return np.array([self._number(row, cell) for row, cell in enumerate(self.cells)], dtype=np.float64)

    def texts(self) -> list[str]:
        """The cells as they are."""
        check_shape(self.name, [len(self.cells)], len(self.cells))
        for row, cell in enumerate(self.cells):
            if cell == "":
                raise _unfit(self.name, row, None, "text")
        return list(self.cells)

    def _number(self, row: int, cell: str) -> float:
        if cell in _MISSING:
            return np.nan
        try:
            return float(cell)
        except ValueError:
            truth = _TRUTH.get(cell.lower())
            if truth is None:
                raise _unfit(self.name, row, cell, "a number") from None
            return truth


@dataclass(frozen=True, slots=True)
class Block:
    """Rows in the order of the model's columns, as the input `features`; null is a missing number."""

    rows: Sequence[Sequence[Cell]]

    @property
    def name(self) -> str:
        return "features"

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64, (rows, columns)."""
        width = len(self.rows[0]) if self.rows else 0
        for place, row in enumerate(self.rows):
            if len(row) != width:
                raise InvalidInput(f"Row {place} has {len(row)} values, and row 0 has {width}.")
        shape = [len(self.rows), width]
        check_shape("features", shape, len(self.rows) * width)
        return _numbers("features", [value for row in self.rows for value in row], width).reshape(shape)

    def texts(self) -> list[str]:
        raise InvalidInput("Rows without column names hold no text.", fix="Name the columns.")


@dataclass(frozen=True, slots=True)
class Nested:
    """A tensor as lists in lists, an entry a row; null is a missing number."""

    name: str
    rows: Sequence[Any]

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64, in the shape of the lists.

        Raises:
            InvalidInput: if lists of one depth differ in length, or hold anything but numbers.
        """
        shape, values = [len(self.rows)], list(self.rows)
        while values and isinstance(values[0], list) and len(shape) <= MOST_DIMENSIONS:
            size = len(values[0])
            if not all(isinstance(each, list) and len(each) == size for each in values):
                raise InvalidInput(
                    f"The lists of the input {self.name!r} differ in length in dimension {len(shape)}.",
                    fix="Give every row in the shape of the tensor.",
                )
            shape.append(size)
            values = [value for each in values for value in each]
        if any(isinstance(value, list | dict) for value in values):
            raise InvalidInput(f"The input {self.name!r} is no tensor: its entries lie at different depths.")
        check_shape(self.name, shape, len(values))
        return _numbers(self.name, values, len(values) // shape[0]).reshape(shape)

    def texts(self) -> list[str]:
        raise InvalidInput(f"The input {self.name!r} is a tensor where text is wanted.", fix="Give one text a row.")


def columns_of_records(records: Sequence[dict[str, Cell]]) -> list[Column]:
    """The columns of rows that name their values; a name that a row leaves out is missing there.

    Raises:
        InvalidInput: if so much is left out that a small request would become a large table.
    """
    names = dict.fromkeys(name for record in records for name in record)
    given, cells = sum(map(len, records)), len(names) * len(records)
    if cells > max(_SPARSE_CELLS, _MOST_SPARSE * given):
        raise InvalidInput(
            f"The {len(records)} rows have {len(names)} different names, and {given} values in all.",
            fix="Give every row the same names; null is a missing value.",
        )
    return [Column(name, [record.get(name) for record in records]) for name in names]


def _numbers(name: str, values: Sequence[Cell], width: int = 1) -> NDArray[np.float64]:
    """Values as float64, `width` of them a row."""
    for place, value in enumerate(values):
        if isinstance(value, str):
            raise _unfit(name, place // width, value, "a number")
    try:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    except OverflowError:
        raise InvalidInput(f"The input {name!r} holds a number beyond float64.") from None


def _unfit(name: str, row: int, value: Cell, wanted: str) -> InvalidInput:
    given = "null" if value is None else f"{value!r:.100}"
    return InvalidInput(f"The input {name!r} gives {given} in row {row}, where {wanted} is wanted.")
