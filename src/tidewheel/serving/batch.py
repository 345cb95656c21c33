"""Batch scoring: the online path's features and model, on tables instead of requests.

`score` answers a table, `score_file` streams a Parquet file by row group in constant memory. A table gives what a
request may give: every feature by name, or entity keys and request values with a time column. Called by `Serving` and
the command line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.serving.worker.model_inputs import rows_of
from tidewheel.serving.worker.runtime import LoadedVersion

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table, as an input of a model."""

    name: str
    values: Any

    def numbers(self) -> NDArray[np.float64]:
        """The column as float64; null is NaN."""
        import pyarrow as pa

        try:
            cast = self.values.cast(pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(f"The column {self.name!r} is not numeric: {error}.") from None
        return np.asarray(cast.to_numpy(zero_copy_only=False), dtype=np.float64)

    def texts(self) -> list[str]:
        """The column as strings; null is the empty key."""
        import pyarrow as pa

        return ["" if value is None else value for value in self.values.cast(pa.string()).to_pylist()]


def score(
    version: LoadedVersion, rows: pa.Table, *, online: Any = None, time: str | None = None, at_us: int = 0
) -> pa.Table:
    """The table with a column for each output of the version.

    Args:
        version: a loaded version (`Serving.open_version`).
        rows: every feature by name, or entity keys and request values.
        online: the online store, where features are looked up.
        time: the column that says as of when to look up; without it all are as of `at_us`.
        at_us: the instant of the scoring.

    Raises:
        InvalidInput: if columns are missing or not of the kind that the version takes.
    """
    import pyarrow as pa

    if rows.num_rows == 0:
        outputs = np.empty((0, len(version.outputs)))
    else:
        taken = version.known_inputs - {"features"}
        inputs = {name: TableColumn(name, rows[name]) for name in rows.column_names if name in taken}
        matrix, _ = rows_of(version, inputs, online, _instants(rows, time, at_us))
        outputs = version.predict(matrix)
    scored = rows
    for name, column in zip(version.outputs, outputs.T, strict=False):
        scored = scored.append_column(name, pa.array(np.ascontiguousarray(column)))
    return scored


def score_file(
    version: LoadedVersion, source: Path, target: Path, *, online: Any = None, time: str | None = None, at_us: int = 0
) -> int:
    """Score a Parquet file into another, row group by row group; the target appears when it is whole. Returns the rows.

    Raises:
        NotFound: if there is no such file.
        InvalidInput: if it is not Parquet, or as `score`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
    except FileNotFoundError:
        raise NotFound(f"There is no file {source}.") from None
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"{source} is not Parquet: {error}.") from None
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    writer, count = None, 0
    try:
        for batch in file.iter_batches(_BATCH_ROWS):
            scored = score(version, pa.Table.from_batches([batch]), online=online, time=time, at_us=at_us)
            writer = writer or pq.ParquetWriter(partial, scored.schema)
            writer.write_table(scored)
            count += scored.num_rows
        if writer is None:
            empty = score(version, file.schema_arrow.empty_table(), online=online, time=time, at_us=at_us)
            writer = pq.ParquetWriter(partial, empty.schema)
        writer.close()
        partial.replace(target)
    finally:
        file.close()
        partial.unlink(missing_ok=True)
    return count


def _instants(rows: pa.Table, time: str | None, at_us: int) -> int | NDArray[np.int64]:
    if time is None:
        return at_us
    import pyarrow as pa

    if time not in rows.column_names:
        there = ", ".join(rows.column_names)
        raise InvalidInput(f"There is no column {time!r}.", where="time", fix=f"There are: {there}.")
    instants: NDArray[np.int64] = rows[time].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return instants
