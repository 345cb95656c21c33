"""How long predictions stay findable: rows past their days leave the Delta tables, and the index is kept complete.

A label joins its prediction for as long as the row is in Delta, whatever became of the index file that led there:
where one is missing, it is made again from Delta. Called by `PredictionLog`.
"""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import numpy as np

from tidewheel.base.errors import NotFound
from tidewheel.base.units import to_us
from tidewheel.storage.contracts import Tables
from tidewheel.storage.metadata import Metadata
from tidewheel.storage.predictions import store
from tidewheel.storage.predictions.compaction import TABLES
from tidewheel.storage.predictions.expiry import SUBJECT
from tidewheel.storage.predictions.id_index import IdIndex, hash_id
from tidewheel.storage.predictions.segments import segments


def forget(
    folder: Path,
    metadata: Metadata,
    tables: Tables,
    index: IdIndex,
    index_lock: threading.Lock,
    before: datetime,
    at: datetime,
) -> int:
    """Forget rows from before an instant: first the rows, then what is known of their segments, then their index.

    In that order a crash leaves nothing that the next call does not remove, and no index is missed meanwhile.
    """
    gone = sum(tables.expire(name, ("at", before), at=at) for name in TABLES.values())
    present = {segment.stem for kind in TABLES for segment in segments(folder, kind)}
    with index_lock:
        stale = index.stale(to_us(before)) - present
    with metadata.record() as connection:
        kept = store.forget_segments(connection, stale, to_us(before), present)
    with index_lock:
        index.remove(sorted(stale - kept))
    if gone:
        with metadata.change() as change:
            change.emit("storage.log.forgotten", SUBJECT, {"rows": gone, "before": before})
    return gone


def mend_index(folder: Path, metadata: Metadata, tables: Tables, index: IdIndex) -> bool:
    """Make the index files that are missing of segments in Delta, from their rows there; whether any was missing.

    Takes memory for the ids of all predictions in Delta. The caller holds the index's lock.
    """
    with metadata.read() as connection:
        compacted = store.compacted_stems(connection, "predictions")
    present = {segment.stem for segment in segments(folder, "predictions")}
    missing = sorted(compacted - index.stems() - present)
    if not missing:
        return False
    try:
        rows = tables.read(TABLES["predictions"], columns=["id", "at", "arm"])
    except NotFound:
        return False
    answered = np.array(rows["arm"].to_pylist(), dtype=object) != "shadow"
    hashes = np.array([hash_id(each) for each in rows["id"].to_pylist()], dtype=np.int64)[answered]
    instants = rows["at"].to_numpy().astype("datetime64[us]").astype(np.int64)[answered]
    # Each file gets a stretch of time, as a segment has one: what is found is then read from Delta within it.
    in_time = np.argsort(instants, kind="stable")
    for stem, part in zip(missing, np.array_split(in_time, len(missing)), strict=True):
        index.keep(stem, np.stack([hashes[part], np.zeros(len(part), dtype=np.int64), instants[part]]))
    return True
