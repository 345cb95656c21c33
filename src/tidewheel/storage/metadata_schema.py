"""The one SQLAlchemy `MetaData` on which each room's `store.py` declares its own tables (`registry_versions`, ...).

Column habits: instants are BIGINT microseconds since 1970 UTC and end in `_at_us`; JSON is canonical text in a column
of type `Json`; ids are text.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import MetaData, Text, TypeDecorator
from sqlalchemy.engine import Dialect

from tidewheel.base.hashing import canonical_json

schema = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Json(TypeDecorator[Any]):
    """A JSON value kept as canonical text, the same on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)
