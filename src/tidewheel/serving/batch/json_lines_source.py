"""JSON Lines to be scored: an object a line, plain or gzipped. A line that is none spoils no other.

It is read twice, once to look and once to score, since only the whole file tells which keys there are and what they
hold (`json_columns`). Lines without anything are no records. `NaN`, which is no JSON and which Python writes, is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.batch.json_columns import JsonColumns, Record, column_of
from tidewheel.serving.batch.places import FileFacts, Place
from tidewheel.serving.batch.sources import MalformedRow, check_malformed, dropped
from tidewheel.serving.worker.python_json import with_nulls

_BLOCK_BYTES = 4 << 20
_MAX_LINE_BYTES = 64 << 20
_TEXT_MAX = 10_000  # characters of a malformed record that are kept
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder(dict[str, Any]).decode

Numbered = list[tuple[int, Record]]
"""Records, each with its place in the file."""


class JsonLinesSource:
    """One file of JSON Lines, for a model with these inputs."""

    def __init__(self, place: Place, facts: FileFacts, inputs: Set[str], max_malformed: int) -> None:
        self._place = place
        self._max_malformed = max_malformed
        self.identity = [f"{facts.path} {facts.size_bytes} {facts.modified_ns}"]
        self.malformed: list[MalformedRow] = []
        self.total_rows: int | None = 0
        columns, rows = JsonColumns(), 0
        for records in self._records():
            columns.look([record for _, record in records])
            rows += len(records)
        self.total_rows = rows
        self.schema = columns.schema(inputs)
        if not self.schema.names or self._is_array():
            raise self._without_records()

    def tables(self, first_row: int) -> Iterator[Any]:
        """As `Source.tables`; text has no index, so it is read from the beginning."""
        yield from dropped(self._all_tables(), first_row)

    def _all_tables(self) -> Iterator[Any]:
        for records in self._records():
            if records:
                table = self._table(records)
                self.malformed.sort(key=lambda each: each.row)
                yield table

    def _table(self, records: Numbered) -> Any:
        """The table of records; one whose lists are not like the others' is set aside."""
        import pyarrow as pa

        try:
            return pa.table([column_of(field, [each for _, each in records]) for field in self.schema], self.schema)
        except ValueError as error:
            if len(records) > 1:
                middle = len(records) // 2
                return pa.concat_tables([self._table(records[:middle]), self._table(records[middle:])])
            ((row, record),) = records
            self._set_aside(row, msgspec.json.encode(record), str(error))
            return self.schema.empty_table()

    def _records(self) -> Iterator[Numbered]:
        """The records of the file, a block at a time; what is none is set aside."""
        self.malformed.clear()
        row = 0
        for lines in self._blocks():
            records: Numbered = []
            for line in lines:
                if not line.isspace():
                    try:
                        records.append((row, _record_of(line)))
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        self._set_aside(row, line, f"The line is no JSON object: {error}.")
                    row += 1
            check_malformed(self.malformed, self._max_malformed)
            yield records

    def _blocks(self) -> Iterator[list[bytes]]:
        """The lines of the file with something in them, some megabytes at a time."""
        import pyarrow as pa

        try:
            with self._place.filesystem.open_input_stream(self._place.path, compression="detect") as stream:
                rest = stream.read(_BLOCK_BYTES).removeprefix(_BOM)
                while block := stream.read(_BLOCK_BYTES):
                    *lines, rest = (rest + block).split(b"\n")
                    if len(rest) > _MAX_LINE_BYTES:
                        raise self._unreadable(f"a line has more than {_MAX_LINE_BYTES:,} bytes")
                    yield [line for line in lines if line]
                yield [line for line in rest.split(b"\n") if line]
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(str(error).rstrip(".")) from None

    def _is_array(self) -> bool:
        """Whether the file is one JSON array over many lines, of which some may look like records."""
        return bool(self.malformed) and self.malformed[0].row == 0 and self.malformed[0].text.strip() == "["

    def _set_aside(self, row: int, line: bytes, reason: str) -> None:
        self.malformed.append(MalformedRow(row, line[: 4 * _TEXT_MAX].decode(errors="replace")[:_TEXT_MAX], reason))

    def _without_records(self) -> InvalidInput:
        reason = self.malformed[0].reason if self.malformed else "It holds no key."
        return self._unreadable(reason[0].lower() + reason[1:].rstrip("."))

    def _unreadable(self, reason: str) -> InvalidInput:
        message = f"{self._place.address} is no JSON Lines that can be read: {reason}."
        return InvalidInput(message, fix='Give an object a line, as in {"a": 1.5, "b": 2}.')


def _record_of(line: bytes) -> Record:
    try:
        return _decode(line)
    except msgspec.DecodeError:
        mended = with_nulls(line)
        if mended is None:
            raise
        return _decode(mended)
