"""Writes tables as JSON Lines: an object a row. Missing and NaN are null, instants are RFC 3339, bytes are base64.

A column of JSON text (`json_columns`) is written as the JSON that it is. Used by `targets`, as Arrow's CSV writer is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from tidewheel.serving.batch.json_columns import JSON_TEXT

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 8_192  # that are Python objects at once
_encode_lines = msgspec.json.Encoder().encode_lines


class JsonLinesWriter:
    """Appends tables to a stream of bytes, which it does not close."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to be written."""

    def write_table(self, table: pa.Table) -> None:
        """Write a table's rows."""
        nested = [field.name for field in table.schema if field.metadata == JSON_TEXT]
        for batch in table.to_batches(max_chunksize=_ROWS):
            rows = batch.to_pylist()
            for name in nested:
                for row in rows:
                    text = row[name]
                    row[name] = None if text is None else msgspec.Raw(text.encode())
            self._stream.write(_encode_lines(rows))
