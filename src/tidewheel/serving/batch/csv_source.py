"""CSV to be scored: a header, then records, plain or gzipped. Read as text, so that one odd value spoils only its row.

What a column holds is decided by the model: an input is a number if it says so, anything else stays the text that it
is. Empty means missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.batch.places import FileFacts, Place
from tidewheel.serving.batch.sources import MalformedRow, check_malformed, dropped

_BLOCK_BYTES = 4 << 20
_TEXT_MAX = 10_000  # characters of a malformed record that are kept


class CsvSource:
    """One CSV file."""

    def __init__(self, place: Place, facts: FileFacts, max_malformed: int) -> None:
        self._place = place
        self._max_malformed = max_malformed
        self.identity = [f"{facts.path} {facts.size_bytes} {facts.modified_ns}"]
        self.malformed: list[MalformedRow] = []
        self.total_rows: int | None = None
        self.schema = self._header()

    def tables(self, first_row: int) -> Iterator[Any]:
        """As `Source.tables`; text has no index, so it is read from the beginning."""
        self.malformed.clear()
        yield from dropped(self._all_tables(), first_row)

    def _header(self) -> Any:
        import pyarrow as pa

        first = next(self._batches({}))
        return pa.schema([(name, pa.string()) for name in first.schema.names])

    def _all_tables(self) -> Iterator[Any]:
        import pyarrow as pa

        for batch in self._batches({column.name: column.type for column in self.schema}):
            yield pa.Table.from_batches([batch], self.schema)

    def _batches(self, types: dict[str, Any]) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import csv

        read = csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
        parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._set_aside)
        convert = csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=False
        )
        try:
            with (
                self._place.filesystem.open_input_stream(self._place.path, compression="detect") as stream,
                csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert) as reader,
            ):
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)  # names the columns where there are no rows
                for batch in reader:
                    check_malformed(self.malformed, self._max_malformed)
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _set_aside(self, row: Any) -> str:
        reason = f"The record has {row.actual_columns} values where the header names {row.expected_columns}."
        self.malformed.append(MalformedRow(row.number - 2, row.text[:_TEXT_MAX], reason))
        return "skip"

    def _unreadable(self, error: Exception) -> InvalidInput:
        return InvalidInput(f"{self._place.address} is no CSV that can be read: {error}.", fix="Give it as UTF-8.")
