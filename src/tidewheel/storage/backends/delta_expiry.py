"""Forgets the oldest rows of a Delta table: the one write after which earlier versions can no longer be read.

A file whose rows are all too old is dropped unread, one that holds both is written again without them. What only
earlier versions name is deleted from the disk when a reader that began before cannot be at it any more. Called by
`delta_table`, under its lock.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from tidewheel.base.ids import ulid
from tidewheel.storage.backends.delta_compaction import statistics_of
from tidewheel.storage.backends.delta_log import maintenance
from tidewheel.storage.backends.delta_scan import Bound

_CUT = timedelta(milliseconds=1)  # delta-rs may have cut a statistic to milliseconds


def remove_rows_before(handle: DeltaTable, files: pafs.FileSystem, bound: Bound, properties: CommitProperties) -> int:
    """Commit the removal of the rows whose instant is before the bound and return how many; none = no commit."""
    now_ms = time.time_ns() // 1_000_000
    actions: list[AddAction | RemoveAction] = []
    gone = 0
    for file in pa.table(handle.get_add_actions(flatten=True)).to_pylist():
        if not _may_hold_older(file, bound):
            continue
        rest, removed = _without_older(handle, files, file, bound)
        if not removed:
            continue
        gone += removed
        actions.append(RemoveAction(file["path"], True, now_ms))
        if rest is not None:
            actions.append(_written(files, rest, file))
    if actions:
        handle.create_write_transaction(actions, "append", handle.schema(), commit_properties=properties)
    return gone


def delete_unnamed_files(handle: DeltaTable, grace_hours: int) -> None:
    """Delete the files that the latest version has not named for `grace_hours`, if there are any.

    Those that a killed writer left, which no version ever named, go too.
    """
    vacuum = partial(handle.vacuum, retention_hours=grace_hours, enforce_retention_duration=False, full=True)
    if vacuum(dry_run=True):  # a real one would make two commits even for nothing
        vacuum(dry_run=False, commit_properties=maintenance("vacuum"))


def _may_hold_older(file: dict[str, Any], bound: Bound) -> bool:
    oldest = file.get(f"min.{bound[0]}")
    return oldest is None or oldest < bound[1]


def _without_older(
    handle: DeltaTable, files: pafs.FileSystem, file: dict[str, Any], bound: Bound
) -> tuple[pa.Table | None, int]:
    """The rows of a file that stay, or None if none does, and how many do not."""
    newest = file.get(f"max.{bound[0]}")
    if newest is not None and newest + _CUT < bound[1] and file.get(f"null_count.{bound[0]}") == 0:
        return None, file["num_records"]
    schema = pa.schema(handle.schema().to_arrow())
    rows = pq.read_table(file["path"], filesystem=files)
    column = rows[bound[0]]
    older = pc.fill_null(pc.less(column, pa.scalar(bound[1], column.type)), False)
    rest = rows.filter(pc.invert(older))
    named = rest.select([name for name in schema.names if name in rest.column_names])
    return (named if named.num_rows else None), rows.num_rows - rest.num_rows


def _written(files: pafs.FileSystem, rows: pa.Table, file: dict[str, Any]) -> AddAction:
    """The rest of a file as a file of its own, at the old one's place in the order of the table."""
    path = f"part-{ulid()}.zstd.parquet"
    with files.open_output_stream(path) as stream:
        pq.write_table(rows, stream, compression="zstd")
    size_bytes = files.get_file_info(path).size
    return AddAction(path, size_bytes, {}, file["modification_time"], True, json.dumps(statistics_of(rows)))
