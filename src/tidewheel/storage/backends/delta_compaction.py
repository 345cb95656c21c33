"""Keeps a Delta table that grows by many small appends cheap to append to and to read.

Every commit costs time in proportion to the files that are live, so files are merged in tiers, as in a log-structured
merge tree: when a tier has `_FAN_IN` files they become one file of the next. Each row is thus rewritten a few times in
all, and old versions stay readable, since no file is deleted. Called by `delta_tables` after an append; must never be
the reason that a write fails.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from tidewheel.base.ids import ulid
from tidewheel.storage.backends.delta_log import maintenance

_LOOK_EVERY = 16
_FAN_IN = 12
_LARGEST_MERGED_BYTES = 64 * 2**20
_SMALLEST_TIER_BYTES = 16 * 2**10


def is_due(version: int) -> bool:
    """Whether the append that made `version` should look for files to merge."""
    return version % _LOOK_EVERY == _LOOK_EVERY - 1


def merge_small_files(handle: DeltaTable, files: pafs.FileSystem) -> None:
    """Merge each tier that is full. If another writer commits meanwhile, nothing happens; the next call tries again."""
    for paths in _full_tiers(pa.table(handle.get_add_actions())):
        try:
            _merge(handle, files, paths)
        except (CommitFailedError, OSError):
            return
        handle.update_incremental()


def _full_tiers(live: pa.Table) -> list[list[str]]:
    tiers: dict[int, list[str]] = defaultdict(list)
    sizes: dict[int, int] = defaultdict(int)
    for row in live.select(["path", "size_bytes", "modification_time"]).sort_by("modification_time").to_pylist():
        tier = max(0, row["size_bytes"] // _SMALLEST_TIER_BYTES).bit_length() // 3
        tiers[tier].append(row["path"])
        sizes[tier] += row["size_bytes"]
    return [paths for tier, paths in tiers.items() if len(paths) >= _FAN_IN and sizes[tier] <= _LARGEST_MERGED_BYTES]


def _merge(handle: DeltaTable, files: pafs.FileSystem, paths: list[str]) -> None:
    schema = pa.schema(handle.schema().to_arrow())
    parts = [pq.read_table(path, filesystem=files) for path in paths]
    rows = pa.concat_tables(parts, promote_options="default").select(schema.names).cast(schema)
    path = f"part-{ulid()}.zstd.parquet"
    with files.open_output_stream(path) as stream:
        pq.write_table(rows, stream, compression="zstd")
    now_ms = time.time_ns() // 1_000_000
    times = pa.table(handle.get_add_actions())
    oldest_ms = pc.min(times.filter(pc.is_in(times["path"], pa.array(paths)))["modification_time"]).as_py()
    added = AddAction(path, files.get_file_info(path).size, {}, oldest_ms, False, json.dumps(statistics_of(rows)))
    removed = [RemoveAction(path, False, now_ms) for path in paths]
    # No retry: another commit may have removed the same files, which delta-rs does not check for such a transaction.
    handle.create_write_transaction(
        [added, *removed], "append", handle.schema(), commit_properties=maintenance("compaction")
    )


def statistics_of(rows: pa.Table) -> dict[str, Any]:
    """Delta's file statistics, with bounds of the instants, which is what reads are pruned by."""
    bounds = {
        field.name: pc.min_max(rows[field.name]).as_py() for field in rows.schema if pa.types.is_timestamp(field.type)
    }
    known = {name: both for name, both in bounds.items() if both["min"] is not None}
    return {
        "numRecords": rows.num_rows,
        "minValues": {name: both["min"].isoformat() for name, both in known.items()},
        "maxValues": {name: both["max"].isoformat() for name, both in known.items()},
        "nullCount": {name: rows[name].null_count for name in rows.column_names},
    }
