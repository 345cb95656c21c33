"""Tables in memory, for tests that make thousands of versions: only what the data room uses of the contract."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.base.errors import NotFound
from tidewheel.storage import TableVersion

Bound = tuple[str, datetime]


class MemoryTables:
    """Implements what the data room uses of `storage.contracts.Tables`, within one thread."""

    def __init__(self) -> None:
        self._tables: dict[str, list[tuple[TableVersion, pa.Table]]] = {}

    def append(
        self,
        name: str,
        rows: pa.Table,
        *,
        at: datetime,
        metadata: Mapping[str, str] | None = None,
        once: tuple[str, int] | None = None,
    ) -> TableVersion:
        before = [made[-1][1]] if (made := self._tables.get(name)) else []
        return self._add(name, pa.concat_tables([*before, rows]), at, metadata)

    def overwrite(
        self, name: str, rows: pa.Table, *, at: datetime, metadata: Mapping[str, str] | None = None
    ) -> TableVersion:
        return self._add(name, rows, at, metadata)

    def read(
        self,
        name: str,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        since: Bound | None = None,
        until: Bound | None = None,
    ) -> pa.Table:
        rows = self._tables[name][-1 if version is None else version][1]
        if since:
            rows = rows.filter(pc.greater_equal(rows[since[0]], pa.scalar(since[1], rows[since[0]].type)))
        if until:
            rows = rows.filter(pc.less(rows[until[0]], pa.scalar(until[1], rows[until[0]].type)))
        return rows if columns is None else rows.select(columns)

    def version(self, name: str, number: int | None = None, *, at: datetime | None = None) -> TableVersion:
        for found in self.versions(name):
            if (number is None or found.number == number) and (at is None or found.at <= at):
                return found
        raise NotFound(f"no version of {name}")

    def versions(self, name: str, limit: int = 100) -> list[TableVersion]:
        if name not in self._tables:
            raise NotFound(f"no table {name}")
        return [version for version, _ in self._tables[name][::-1]][:limit]

    def names(self) -> list[str]:
        return sorted(self._tables)

    def _add(self, name: str, rows: pa.Table, at: datetime, metadata: Mapping[str, str] | None) -> TableVersion:
        made = self._tables.setdefault(name, [])
        made.append((TableVersion(len(made), at, "WRITE", dict(metadata or {})), rows))
        return made[-1][0]
