"""What `log_model` takes as rows, as one Arrow table: a data frame, an Arrow table, columns by name, or one array.

Training rows of a feature set (`HasRows`) know the commits that they were computed from; of any other rows nobody does.
Called by `log_model` before the model is tried. Pure.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensors import TensorSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


@runtime_checkable
class HasRows(Protocol):
    """Training rows of a feature set; `timestamps`, where they have it, becomes the reference's `at`."""

    @property
    def commits(self) -> Sequence[str]: ...
    def table(self) -> pa.Table: ...


@runtime_checkable
class HasArrowStream(Protocol):
    """Arrow's PyCapsule interface: tables of PyArrow, Polars, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


TrainingRows = HasRows | HasArrowStream | Mapping[str, Any] | np.ndarray
"""`HasArrowStream` covers data frames of pandas and Polars and Arrow's tables; a mapping holds an array a column."""


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows of which no commits are known."""

    rows: pa.Table
    commits: Sequence[str] = ()

    def table(self) -> pa.Table:
        """The rows themselves."""
        return self.rows


def rows_given(rows: TrainingRows, names: Sequence[str], tensors: Sequence[TensorSpec] = ()) -> HasRows:
    """Rows in any of the forms that they come in, as training rows.

    Args:
        rows: training rows, a data frame, an Arrow table, arrays by column, or an array (rows, columns) in the order of
            `names`; of one tensor, the array of it.
        names: the model's inputs.
        tensors: what it takes, where that is no table.

    Raises:
        InvalidInput: if they are of no such form, or their columns differ in length.
    """
    import pyarrow as pa

    if isinstance(rows, HasRows):
        return rows
    try:
        if type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns"):
            return PlainRows(_of_frame(rows, names))
        if isinstance(rows, HasArrowStream):
            return PlainRows(pa.table(rows))
        if isinstance(rows, np.ndarray):
            rows = _columns_of(rows, names, tensors)
        if isinstance(rows, Mapping):
            return PlainRows(pa.table({str(name): _column(values) for name, values in rows.items()}))
    except pa.ArrowException as error:
        raise InvalidInput(f"The rows are no table: {error}.", fix="Give columns of one length and one type.") from None
    raise InvalidInput(
        f"The rows are of the type {type(rows).__name__}.",
        fix="Give rows=… as a pandas or Polars data frame, an Arrow table, a dict of arrays, an array of "
        "(rows, columns), or a feature set's training_rows(…).",
    )


def numbers_of(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of rows as float64, (rows,); null is NaN.

    Raises:
        InvalidInput: if it holds anything but numbers and truth values.
    """
    import pyarrow as pa

    from tidewheel.registry.tensor_tables import column_values

    column = table.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        raise InvalidInput(
            f"The column {name!r} of the rows is text, and models are asked in numbers.",
            fix="Encode it as numbers, train on those, and give the rows so encoded.",
        )
    if pa.types.is_integer(kind):
        kind = pa.float64()  # rounded beyond 2**53, as everywhere
    values = column_values(name, column.cast(kind, safe=False) if kind is not column.type else column)
    if values.ndim != 1:
        raise InvalidInput(
            f"The column {name!r} of the rows holds lists, and the model takes a number.",
            fix="If it takes tensors, say so: inputs=[tw.TensorSpec(…)].",
        )
    return values


def _of_frame(frame: Any, names: Sequence[str]) -> pa.Table:
    """A pandas data frame without its index; columns that Arrow cannot hold are left out if no input needs them."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for place, label in enumerate(frame.columns):
        name = str(label)
        if name in columns:
            raise InvalidInput(f"Two columns of the rows are called {name!r}.", fix="Name each once.")
        try:
            with warnings.catch_warnings(action="ignore"):  # of pandas, of how PyArrow asks it
                columns[name] = pa.array(frame.iloc[:, place], from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            if name in names:
                raise InvalidInput(
                    f"The column {name!r} of the rows holds values of different types: {error}.",
                    fix="Give numbers in it.",
                ) from None
    return pa.table(columns)


def _columns_of(
    rows: NDArray[Any], names: Sequence[str], tensors: Sequence[TensorSpec]
) -> Mapping[str, NDArray[np.float64]]:
    """An array by the names of the inputs that lie in it."""
    if len(tensors) == 1:
        return {tensors[0].name: rows}
    if tensors or rows.ndim != 2 or rows.shape[1] != len(names):
        takes = f"{len(tensors)} tensors" if tensors else f"{len(names)} columns"
        raise InvalidInput(
            f"The rows are an array of shape {rows.shape}, and the model takes {takes}.",
            fix="Give (rows, columns) with a column for each input in their order, or a dict of arrays by name.",
        )
    return {name: rows[:, place] for place, name in enumerate(names)}


def _column(values: Any) -> Any:
    """Values as an Arrow array: of lists, as deep as an array has dimensions beyond the rows."""
    import pyarrow as pa

    if not isinstance(values, np.ndarray):
        return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
    column = pa.array(np.ascontiguousarray(values).ravel(), from_pandas=True)
    for size in reversed(values.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column
