"""One Delta table as a process knows it: the handle, brought up to date at each use, and the commits seen so far.

Used by `delta_tables`, which names tables and finds them. Threads share one of these: what touches the handle is done
under its lock, the reading of files is not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, DeltaProtocolError, TableNotFoundError

from tidewheel.base.errors import Conflict, Corrupt, NotFound, Unavailable
from tidewheel.storage.backends.delta_compaction import is_due, merge_small_files
from tidewheel.storage.backends.delta_expiry import delete_unnamed_files, remove_rows_before
from tidewheel.storage.backends.delta_log import CommitLog, Stamp, has_commit
from tidewheel.storage.backends.delta_rows import storable
from tidewheel.storage.backends.delta_scan import Bound, scan
from tidewheel.storage.contracts import TableVersion

EXPIRED = "expired_before"
"""In the metadata of the version that forgot rows."""
_ATTEMPTS = 20
_KEPT_FOR_EVER = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


class OpenTable:
    """Reads and writes one table."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._files = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
        self._lock = threading.RLock()
        self._handle: DeltaTable | None = None
        self._log = CommitLog(self._files)

    def append(self, rows: pa.Table, stamp: Stamp) -> TableVersion:
        """Add rows as one version, again and again until no other writer is in the way."""
        with self._lock, self._explained():
            for _ in range(_ATTEMPTS):
                handle = self._refreshed()
                if handle and stamp.once and self._has_made(handle, stamp.once):
                    return self._log.made_once(stamp.once)
                try:
                    self._commit(handle, rows, "append", stamp, retries=None)
                except CommitFailedError:
                    continue
                except DeltaError:
                    if handle is None and self._refreshed():  # another writer created the table first
                        continue
                    raise
                return self._made(stamp)
            raise Unavailable(f"The table {self._name!r} is written by too many at once.", fix="Try again.")

    def overwrite(self, rows: pa.Table, stamp: Stamp) -> TableVersion:
        """Replace all rows; only maintenance may have come in between."""
        with self._lock, self._explained():
            for _ in range(_ATTEMPTS):
                handle = self._refreshed()
                seen = len(self._log.commits)
                try:
                    self._commit(handle, rows, "overwrite", stamp, retries=0)
                    return self._made(stamp)
                except CommitFailedError:
                    self._refreshed()
                    if len(self._log.commits) > seen:
                        break
            raise Conflict(f"The table {self._name!r} was written by another meanwhile.", fix="Read it and try again.")

    def expire(self, bound: Bound, stamp: Stamp, grace_hours: int) -> int:
        """Remove the rows before the bound, again and again until no other writer is in the way; then their files."""
        with self._lock, self._explained():
            for _ in range(_ATTEMPTS):
                handle = self._refreshed()
                if handle is None:
                    return 0
                try:
                    removed = remove_rows_before(handle, self._files, bound, stamp.properties(retries=0))
                    self._refreshed()
                    if self._last_expired() >= 0:
                        delete_unnamed_files(handle, grace_hours)
                except CommitFailedError:
                    continue
                return removed
            raise Unavailable(f"The table {self._name!r} is written by too many at once.", fix="Try again.")

    def read(
        self, number: int | None, columns: Sequence[str] | None, since: Bound | None, until: Bound | None
    ) -> pa.Table:
        """The rows of a version, or of the latest."""
        with self._explained():
            with self._lock:
                handle = self._at(number)
                schema = pa.schema(handle.schema().to_arrow())
                live = pa.table(handle.get_add_actions(flatten=True))
            return scan(live, schema, self._files, columns, since, until)

    def versions(self) -> Sequence[TableVersion]:
        """All versions, oldest first."""
        with self._lock, self._explained():
            if self._refreshed() is None:
                raise self._missing()
            return [commit.version for commit in self._log.commits]

    def _commit(self, handle: DeltaTable | None, rows: pa.Table, mode: Any, stamp: Stamp, retries: int | None) -> None:
        if handle is None:
            # No retry: delta-rs would put the creation of the table on top of another's, unchecked.
            properties = stamp.properties(retries=0)
            rows = storable(rows, None)
            write_deltalake(self._folder, rows, configuration=_KEPT_FOR_EVER, commit_properties=properties)
            return
        properties = stamp.properties(retries=retries)
        present = pa.schema(handle.schema().to_arrow()) if mode == "append" else None
        rows = storable(rows, present)
        widens = present is not None and rows.num_columns > len(present)
        schema_mode: Any = "merge" if widens else None if mode == "append" else "overwrite"
        write_deltalake(handle, rows, mode=mode, schema_mode=schema_mode, commit_properties=properties)

    def _made(self, stamp: Stamp) -> TableVersion:
        handle = self._handle or self._refreshed()
        if handle is None:
            raise self._missing()
        self._log.follow(handle.version())
        version = self._log.made_with(stamp.token)
        if is_due(version.number):
            merge_small_files(handle, self._files)
        return version

    def _has_made(self, handle: DeltaTable, once: tuple[str, int]) -> bool:
        last = handle.transaction_version(once[0])
        return last is not None and last >= once[1]

    def _refreshed(self) -> DeltaTable | None:
        """The handle at the latest version, or None if there is no table yet."""
        try:
            if self._handle is None:
                self._handle = DeltaTable(self._folder)
            elif has_commit(self._files, self._handle.version() + 1):
                self._handle.update_incremental()
        except TableNotFoundError:
            return None
        self._log.follow(self._handle.version())
        return self._handle

    def _at(self, number: int | None) -> DeltaTable:
        latest = self._refreshed()
        if latest is None:
            raise self._missing()
        if number is None or number == latest.version():
            return latest
        if all(commit.version.number != number for commit in self._log.commits):
            raise NotFound(f"The table {self._name!r} has no version {number}.", where=str(self._folder))
        if number < self._last_expired():
            raise NotFound(f"The version {number} of {self._name!r} has expired.", where=str(self._folder))
        return DeltaTable(self._folder, version=number)

    def _last_expired(self) -> int:
        """The number of the last version that expired rows, or -1: those before it can no longer be read."""
        expired = [commit.version.number for commit in self._log.commits if EXPIRED in commit.stamp.metadata]
        return expired[-1] if expired else -1

    def _missing(self) -> NotFound:
        return NotFound(f"There is no table {self._name!r}.", where=str(self._folder))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns the libraries' errors into Tidewheel's."""
        try:
            yield
        except (DeltaProtocolError, pa.ArrowInvalid, FileNotFoundError) as error:
            raise Corrupt(
                f"The table {self._name!r} cannot be read: {error}.", where=str(self._folder), fix="Restore a backup."
            ) from error
        except (DeltaError, OSError) as error:
            raise Unavailable(
                f"The table {self._name!r} did not answer: {error}.", where=str(self._folder), fix="Check disk space."
            ) from error
