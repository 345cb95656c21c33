"""Many narrow rows as the driver gives them: tuples, a tenth of the cost of SQLAlchemy's rows. For store files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select


def plain_rows(connection: Connection, query: Select[Any]) -> Sequence[tuple[Any, ...]]:
    """All rows of a query whose columns need no conversion: numbers, texts, flags."""
    result = connection.execute(query)
    rows: Sequence[tuple[Any, ...]] = result.cursor.fetchall() if result.cursor is not None else []
    result.close()
    return rows
