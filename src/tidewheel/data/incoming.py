"""Rows as people have them, as an Arrow table: a table already, columns by name, a list of rows, or a file.

Used by `Data.append` and its kin. Rows from JSON have no instants; text becomes one where the dataset's column is one,
or where a new column's name says so (`at`, `requested_at`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from tidewheel.base.errors import InvalidInput, NotFound, TooLarge
from tidewheel.base.units import parse_instant

Rows: TypeAlias = pa.Table | Mapping[str, Any] | Sequence[Mapping[str, Any]]
_NO_TABLE = (TypeError, AttributeError, OverflowError)
MAX_JSON_ROWS = 10_000
INSTANT = pa.timestamp("us", tz="UTC")


def as_table(rows: Rows, present: Mapping[str, str]) -> pa.Table:
    """`rows` as a table; `present` are the columns that the dataset has, with their types.

    Raises:
        InvalidInput: if they are none of these, or a column mixes types.
    """
    try:
        table = _as_written(rows)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, *_NO_TABLE) as error:
        raise InvalidInput(f"The rows are not a table: {error}.", fix="Give each column values of one type.") from None
    if isinstance(rows, pa.Table):
        return table
    return pa.table({name: _instants(name, table[name], present.get(name)) for name in table.column_names})


def check_json_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Bound what one HTTP request may append, from one row up."""
    if len(rows) > MAX_JSON_ROWS:
        raise TooLarge(f"{len(rows)} rows were sent at once.", fix=f"Send at most {MAX_JSON_ROWS}, or import a file.")
    if not rows or not any(rows):
        raise InvalidInput("No rows were sent.", where="rows", fix='Send {"rows": [{"column": value, …}, …]}.')


def read_file(path: Path) -> pa.Table:
    """The rows of a Parquet or CSV file (CSV also compressed, as `.csv.gz`)."""
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if suffixes and suffixes[-1] == ".parquet":
            import pyarrow.parquet as pq

            return pq.read_table(path)
        if ".csv" in suffixes[-2:]:
            import pyarrow.csv as csv

            return csv.read_csv(path)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"The file cannot be read: {error}.", where=str(path)) from None
    raise InvalidInput(f"{path.name} is neither Parquet nor CSV.", fix="Name it .parquet, .csv or .csv.gz.")


def _as_written(rows: Rows) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, Mapping):
        return pa.table(dict(rows))
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _instants(name: str, column: pa.ChunkedArray, present: str | None) -> pa.ChunkedArray:
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    instant = present.startswith("timestamp") if present else name == "at" or name.endswith("_at")
    if not text or not instant:
        return column
    try:
        instants = [None if value is None else parse_instant(value) for value in column.to_pylist()]
    except InvalidInput as error:
        raise InvalidInput(f"The column {name!r} holds instants: {error.message}", fix=error.fix) from None
    return pa.chunked_array([pa.array(instants, INSTANT)])
