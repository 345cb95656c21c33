"""Parquet to be scored: one file, or several with the same columns, in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.batch.places import FileFacts, Place
from tidewheel.serving.batch.sources import BATCH_ROWS, MalformedRow, dropped

_BUFFER_BYTES = 1 << 20  # pages are read in pieces of this size, so that a row group is never held whole


class ParquetSource:
    """One or more Parquet files as one table."""

    def __init__(self, place: Place, files: list[FileFacts]) -> None:
        self._place = place
        self._paths = [facts.path for facts in files]
        self.identity = [f"{facts.path} {facts.size_bytes} {facts.modified_ns}" for facts in files]
        self.malformed: list[MalformedRow] = []
        self.total_rows: int | None = 0
        self._rows: list[int] = []
        self.schema: Any = None
        for path in self._paths:
            self._look(path)

    def _look(self, path: str) -> None:
        with self._opened(path) as file:
            self._rows.append(file.metadata.num_rows)
            schema = file.schema_arrow.remove_metadata()
        self.total_rows = sum(self._rows)
        self.schema = self.schema or schema
        if schema != self.schema:
            raise InvalidInput(
                f"{path} has the columns {_named(schema)}, and {self._paths[0]} has {_named(self.schema)}.",
                fix="Score files of different columns one by one.",
            )

    def tables(self, first_row: int) -> Iterator[Any]:
        """As `Source.tables`; row groups before `first_row` are not read."""
        for path, rows in zip(self._paths, self._rows, strict=True):
            if first_row < rows:
                yield from self._tables_of(path, first_row)
            first_row = max(0, first_row - rows)

    def _tables_of(self, path: str, first_row: int) -> Iterator[Any]:
        import pyarrow as pa

        with self._opened(path) as file:
            groups = list(range(file.num_row_groups))
            while groups and first_row >= file.metadata.row_group(groups[0]).num_rows:
                first_row -= file.metadata.row_group(groups.pop(0)).num_rows
            # Group by group: a reader over several keeps the buffers of all that it has read.
            batches = (batch for group in groups for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]))
            yield from dropped((pa.Table.from_batches([batch], self.schema) for batch in batches), first_row)

    @contextmanager
    def _opened(self, path: str) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self._place.filesystem.open_input_file(path) as stream:
                yield pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES)
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidInput(
                f"{path} is not Parquet, or is damaged: {str(error).rstrip('.')}.",
                fix="Give Parquet, a .csv or .jsonl file, plain or .gz, or the folder of a Delta table.",
            ) from None


def _named(schema: Any) -> str:
    return ", ".join(f"{column.name}: {column.type}" for column in schema)
