"""Opens what is to be scored, Parquet (a file, a folder, a pattern), CSV, JSON Lines or Delta, and cuts it into parts.

A source gives its rows in one fixed order, so that part 7 of a file is the same rows in every run, as long as its
`identity` is the same. One process reads; decoding costs a small share of what a model does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.serving.batch.places import FileFacts, Place
from tidewheel.serving.batch.scoring import too_many_rejects

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 16_384
CSV_ENDINGS = (".csv", ".csv.gz")
JSON_LINES_ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A record of a text file that is no row of its table."""

    row: int
    """Its place among all records, from 0."""
    text: str
    reason: str


class Source(Protocol):
    """Rows in a fixed order."""

    schema: pa.Schema
    identity: list[str]
    """What changes when the rows may have changed."""
    total_rows: int | None
    """None where it is not known before the end."""
    malformed: list[MalformedRow]
    """Records that are no rows, of what was read so far."""

    def tables(self, first_row: int) -> Iterator[pa.Table]:
        """The rows from `first_row` on, in tables of any size.

        Raises:
            InvalidInput: if the bytes are not of the format, or more records are malformed than may be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a source that are scored and kept as one. `table` is None if that was done before."""

    index: int
    first_row: int
    rows: int
    table: pa.Table | None


def open_source(place: Place, inputs: Set[str], max_malformed: int) -> Source:
    """The source at a place, for a model with these inputs; one with more than `max_malformed` such records is refused.

    Raises:
        NotFound: if there is nothing.
        InvalidInput: if it is none of the formats.
    """
    if place.within("_delta_log").is_folder():
        from tidewheel.serving.batch.delta_source import DeltaSource

        return DeltaSource(place)
    files = place.files()
    if not files:
        raise NotFound(f"There is no file {place.address}.", fix="Name a file, a folder of Parquet, or a Delta table.")
    if place.path.lower().endswith(CSV_ENDINGS + JSON_LINES_ENDINGS):
        if len(files) > 1:
            raise InvalidInput(f"{place.address} is {len(files)} files of text.", fix="Score them one by one.")
        return _text_source(place, files[0], inputs, max_malformed)
    from tidewheel.serving.batch.parquet_source import ParquetSource

    return ParquetSource(place, files)


def _text_source(place: Place, facts: FileFacts, inputs: Set[str], max_malformed: int) -> Source:
    if place.path.lower().endswith(CSV_ENDINGS):
        from tidewheel.serving.batch.csv_source import CsvSource

        return CsvSource(place, facts, max_malformed)
    from tidewheel.serving.batch.json_lines_source import JsonLinesSource

    return JsonLinesSource(place, facts, inputs, max_malformed)


def parts_of(source: Source, rows_per_part: int, finished: Set[int]) -> Iterator[Part]:
    """The parts of a source in order; those that are `finished` without their rows, and unread where that is possible.

    A source without rows has one part, which is empty: its target needs a schema too.
    """
    import pyarrow as pa

    skipped, highest = 0, max(finished, default=-1)
    while skipped in finished and skipped < highest:  # one that others follow is full, so its rows need no counting
        yield Part(skipped, skipped * rows_per_part, rows_per_part, None)
        skipped += 1
    index, waiting, rows = skipped, list[pa.Table](), 0
    for table in source.tables(skipped * rows_per_part):
        waiting.append(table)
        rows += table.num_rows
        while rows >= rows_per_part:
            whole = pa.concat_tables(waiting)
            yield _part(index, rows_per_part, whole.slice(0, rows_per_part), finished)
            waiting, rows, index = [whole.slice(rows_per_part)], rows - rows_per_part, index + 1
    if rows or index == 0:
        last = pa.concat_tables(waiting) if waiting else source.schema.empty_table()
        yield _part(index, rows_per_part, last, finished)


def _part(index: int, rows_per_part: int, table: pa.Table, finished: Set[int]) -> Part:
    return Part(index, index * rows_per_part, table.num_rows, None if index in finished else table)


def check_malformed(malformed: Sequence[MalformedRow], most: int) -> None:
    """Refuse a source once more of its records are malformed than may be, before more of them fill the memory."""
    if len(malformed) > most:
        raise too_many_rejects(len(malformed), most, malformed[0].reason)


def dropped(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The tables without their first rows."""
    for table in tables:
        if rows >= table.num_rows:
            rows -= table.num_rows
            continue
        yield table.slice(rows)
        rows = 0
