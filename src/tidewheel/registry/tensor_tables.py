"""Tensors in Arrow tables: a column each, of numbers or of lists of numbers nested as deep as the tensor is.

Samples of versions, training rows and the sources and targets of batch scoring all hold tensors this way. A column may
also hold each row's values in one flat list, as Spark's arrays do. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensors import TensorSpec, shaped_rows


def column_values(name: str, column: Any) -> NDArray[np.float64]:
    """A column as float64, (rows,) or (rows, …) where it holds lists; null is NaN.

    Raises:
        InvalidInput: if it holds anything but numbers, a list is missing, or lists differ in length.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    shape = [len(array)]
    while _is_list(array.type):
        shape.append(_length(name, array))
        array = array.flatten()
    try:
        cast = array.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"The column {name!r} is not numeric: {str(error).rstrip('.')}.") from None
    return np.asarray(cast.to_numpy(zero_copy_only=False), dtype=np.float64).reshape(shape)


def rows_of_table(table: pa.Table, specs: Sequence[TensorSpec]) -> NDArray[np.float64]:
    """The matrix (rows, values) of a table with a column for each tensor.

    Raises:
        InvalidInput: if a column is missing, or its rows are not of the tensor's shape.
    """
    missing = [spec.name for spec in specs if spec.name not in table.column_names]
    if missing:
        raise InvalidInput(f"The rows lack the tensors {missing}.", fix=f"They have {table.column_names[:20]}.")
    parts = [shaped_rows(spec, column_values(spec.name, table.column(spec.name))) for spec in specs]
    return np.ascontiguousarray(np.hstack(parts))


def table_of_rows(rows: NDArray[np.float64], specs: Sequence[TensorSpec]) -> pa.Table:
    """A table with a column for each tensor of a matrix (rows, values), in the tensor's own dtype."""
    columns: dict[str, Any] = {}
    start = 0
    for spec in specs:
        columns[spec.name] = tensor_column(rows[:, start : start + spec.width], spec)
        start += spec.width
    return pa.table(columns)


def tensor_column(rows: NDArray[np.float64], spec: TensorSpec) -> Any:
    """A column of (rows, values): numbers where the tensor has one a row, else lists nested as it is."""
    dtype = "float32" if spec.dtype == "float16" else spec.dtype  # Delta Lake has no half precision
    column = pa.array(np.ascontiguousarray(rows).ravel().astype(dtype))
    for size in reversed(spec.row_shape):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def _is_list(kind: Any) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _length(name: str, array: Any) -> int:
    """How long each list of an array is."""
    if array.null_count:
        raise InvalidInput(f"The column {name!r} has a row without a tensor.", fix="Give one in every row.")
    if pa.types.is_fixed_size_list(array.type):
        return int(array.type.list_size)
    lengths = pc.unique(pc.list_value_length(array)).to_pylist()
    if len(lengths) > 1:
        raise InvalidInput(
            f"The column {name!r} holds lists of {sorted(lengths)[:5]} values.", fix="Give tensors of one shape."
        )
    return int(lengths[0]) if lengths else 0
