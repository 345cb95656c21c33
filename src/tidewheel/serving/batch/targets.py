"""Writes what was scored as the target's name asks: Parquet, CSV, JSON Lines, without an ending a Delta table.

Tables come one after the other and none is kept; the target appears at once, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.batch.places import Place
from tidewheel.serving.batch.sources import CSV_ENDINGS, JSON_LINES_ENDINGS

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """What a target may be."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON_LINES = "json lines"
    DELTA = "delta"


def format_of(place: Place) -> Format:
    """The format that a target's name asks for.

    Raises:
        InvalidInput: if its ending is none that is known.
    """
    name = place.name.lower()
    if name.endswith((".parquet", ".pq")):
        return Format.PARQUET
    if name.endswith(CSV_ENDINGS):
        return Format.CSV
    if name.endswith(JSON_LINES_ENDINGS):
        return Format.JSON_LINES
    if "." not in name.lstrip(".") or name.endswith(".delta"):
        return Format.DELTA
    raise InvalidInput(
        f"{place.address} cannot be written: its ending names no format.",
        fix="End it in .parquet, .csv, .jsonl, .csv.gz or .jsonl.gz; without an ending it is a Delta table.",
    )


def exists(place: Place) -> bool:
    """Whether something lies there already."""
    return place.is_file() or place.is_folder()


def write_tables(place: Place, tables: Iterator[pa.Table]) -> int:
    """Write at least one table, replacing what is there, and return the rows.

    Raises:
        InvalidInput: if the format cannot hold a column.
    """
    import pyarrow as pa

    form = format_of(place)
    counted = _Counted(tables)
    try:
        if form is Format.DELTA:
            _write_delta(place, counted)
        else:
            _write_stream(place, counted, form)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"{place.address} cannot hold a column as {form}: {str(error).rstrip('.')}."
        raise InvalidInput(message, fix="Leave it out with --columns, or write another format.") from None
    return counted.rows


class _Counted:
    """Passes tables on and counts their rows."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self.rows = 0
        self._tables = tables

    def __iter__(self) -> Iterator[pa.Table]:
        for table in self._tables:
            self.rows += table.num_rows
            yield table


def _write_stream(place: Place, tables: _Counted, form: Format) -> None:
    with ExitStack() as stack:
        stream: Any = stack.enter_context(place.writing())
        if place.name.lower().endswith(".gz"):
            import pyarrow as pa

            stream = stack.enter_context(pa.CompressedOutputStream(stream, "gzip"))
        writer: Any = None
        for table in tables:
            writer = writer or stack.enter_context(_writer(stream, table.schema, form))
            writer.write_table(table)


def _writer(stream: Any, schema: pa.Schema, form: Format) -> Any:
    if form is Format.CSV:
        from pyarrow import csv

        return csv.CSVWriter(stream, schema, write_options=csv.WriteOptions(quoting_style="needed"))
    if form is Format.JSON_LINES:
        from tidewheel.serving.batch.json_lines_target import JsonLinesWriter

        return JsonLinesWriter(stream)
    from pyarrow import parquet

    return parquet.ParquetWriter(stream, schema)


def _write_delta(place: Place, tables: _Counted) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    remaining = iter(tables)
    first = next(remaining)

    def batches() -> Iterator[pa.RecordBatch]:
        yield from first.to_batches()
        for table in remaining:
            yield from table.to_batches()

    reader = pa.RecordBatchReader.from_batches(first.schema, batches())
    write_deltalake(place.address, reader, mode="overwrite", schema_mode="overwrite")
