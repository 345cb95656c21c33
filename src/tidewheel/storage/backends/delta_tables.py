"""Versioned tables as Delta Lake tables in a local folder, through delta-rs.

Implements `storage.contracts.Tables`; opened by `open_backend`. The platform's time of a version, the caller's metadata
and the writer's sequence stand in the commit itself, so the Delta log alone tells everything. Log and data files are
kept for ever, so that versions stay readable, but for what a table is told to expire. delta-rs cannot be used in a
forked child; child processes must be spawned.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.storage.backends.delta_log import stamp
from tidewheel.storage.backends.delta_scan import Bound
from tidewheel.storage.backends.delta_table import EXPIRED, OpenTable
from tidewheel.storage.contracts import TableVersion

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class DeltaTables:
    """Implements `storage.contracts.Tables` in one folder, a Delta table in each subfolder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, OpenTable] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_url(cls, url: str) -> DeltaTables:
        """Open the folder of a `file://` address."""
        return cls(Path(unquote(urlsplit(url).path)))

    def append(
        self,
        name: str,
        rows: pa.Table,
        *,
        at: datetime,
        metadata: Mapping[str, str] | None = None,
        once: tuple[str, int] | None = None,
    ) -> TableVersion:
        return self._table(name).append(rows, stamp(at, metadata, once))

    def overwrite(
        self, name: str, rows: pa.Table, *, at: datetime, metadata: Mapping[str, str] | None = None
    ) -> TableVersion:
        return self._table(name).overwrite(rows, stamp(at, metadata))

    def read(
        self,
        name: str,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        since: Bound | None = None,
        until: Bound | None = None,
    ) -> pa.Table:
        return self._table(name).read(version, columns, since, until)

    def expire(self, name: str, before: Bound, *, at: datetime, grace_hours: int = 1) -> int:
        made = stamp(at, {EXPIRED: before[1].isoformat()})
        return self._table(name).expire(before, made, grace_hours)

    def version(self, name: str, number: int | None = None, *, at: datetime | None = None) -> TableVersion:
        for found in reversed(self._table(name).versions()):
            if (number is None or found.number == number) and (at is None or found.at <= at):
                return found
        asked = f"number {number}" if number is not None else f"as of {at.isoformat() if at else 'now'}"
        raise NotFound(f"The table {name!r} has no version {asked}.", where=str(self._folder / name))

    def versions(self, name: str, limit: int = 100) -> list[TableVersion]:
        return list(self._table(name).versions()[: -limit - 1 : -1])

    def names(self) -> list[str]:
        return sorted(log.parent.name for log in self._folder.glob("*/_delta_log"))

    def _table(self, name: str) -> OpenTable:
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is not a name for a table.", fix="Use up to 100 letters, digits, '_', '-' and '.'."
            )
        with self._lock:
            if name not in self._open:
                self._open[name] = OpenTable(name, self._folder / name)
            return self._open[name]
