"""The insert that may say what happens to rows already there, which SQLAlchemy has for each database apart.

Rooms' stores and the leases call it; it goes with `on_conflict_do_nothing` or `on_conflict_do_update`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(connection: Connection, table: Table) -> Any:
    """An insert into a table in the words of the connection's database."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
