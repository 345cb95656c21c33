"""A Delta table to be scored: its newest version when the job began, whatever is committed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.batch.places import Place
from tidewheel.serving.batch.sources import BATCH_ROWS, MalformedRow, dropped


class DeltaSource:
    """One version of a Delta table."""

    def __init__(self, place: Place) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            table = DeltaTable(place.address)
            self._dataset = table.to_pyarrow_dataset()
        except (DeltaError, OSError) as error:
            raise InvalidInput(f"{place.address} is no Delta table that can be read: {error}.") from None
        self.identity = [f"{place.address} {table.metadata().id} {table.version()}"]
        self.malformed: list[MalformedRow] = []
        self.schema = self._dataset.schema.remove_metadata()
        self.total_rows: int | None = self._dataset.count_rows()

    def tables(self, first_row: int) -> Iterator[Any]:
        """As `Source.tables`; files before `first_row` are not read."""
        import pyarrow as pa

        for fragment in self._dataset.get_fragments():
            rows = fragment.count_rows()
            if first_row < rows:
                batches = fragment.to_batches(
                    schema=self._dataset.schema, batch_size=BATCH_ROWS, batch_readahead=1, use_threads=False
                )
                tables = (pa.Table.from_batches([batch]).cast(self.schema) for batch in batches)
                yield from dropped(tables, first_row)
            first_row = max(0, first_row - rows)
