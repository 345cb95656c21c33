"""A version's reference: rows that it was trained on and what it answers to them, for monitors to compare with.

At most 50,000 rows, taken evenly over the training rows so that their order in time is kept: the features in signature
order, `at`, the entity columns, and `output.<name>` for each output. Pure but for the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MAX_ROWS = 50_000


def sample_rows(table: pa.Table, limit: int = MAX_ROWS) -> pa.Table:
    """At most `limit` rows, evenly spaced and in their order."""
    if table.num_rows <= limit:
        return table
    return table.take(np.linspace(0, table.num_rows - 1, limit).astype(np.int64))


def build_reference(
    features: Mapping[str, NDArray[np.float64]],
    outputs: NDArray[np.float64],
    output_names: Sequence[str],
    beside: Mapping[str, Any],
) -> pa.Table:
    """Put a reference together; `beside` holds `at` and the entity columns."""
    columns: dict[str, Any] = {name: pa.array(values) for name, values in features.items()}
    columns.update({name: values for name, values in beside.items() if name not in columns})
    for place, name in enumerate(output_names):
        columns[f"output.{name}"] = pa.array(outputs[:, place])
    return pa.table(columns)


def to_bytes(table: pa.Table) -> bytes:
    """A table as a compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_bytes(data: bytes) -> pa.Table:
    """The table that `to_bytes` wrote."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
