"""Removes the segments that are over the log's budget, oldest first, and never silently.

What goes is written down first, in one transaction with a journal entry that counts the records: only then are files
removed, and what a crash left of them is removed by the next round without being counted again. Says in the journal
when the log gets crowded, which is before anything is lost. Called by `PredictionLog`, which the controller drives.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidewheel.storage.journal import read_entries
from tidewheel.storage.metadata import Metadata
from tidewheel.storage.predictions import store
from tidewheel.storage.predictions.budget import LogBudget, LogSize
from tidewheel.storage.predictions.frames import read_frames
from tidewheel.storage.predictions.id_index import IdIndex
from tidewheel.storage.predictions.records import count_rows
from tidewheel.storage.predictions.segments import Segment, kind_of, segments

SUBJECT = "log:predictions"
CROWDED, EASED = "storage.log.crowded", "storage.log.eased"
_ALL = 1 << 62


def expire(
    folder: Path, metadata: Metadata, index: IdIndex, index_lock: threading.Lock, budget: LogBudget
) -> list[store.Expired]:
    """Do what `PredictionLog.expire` says."""
    finish(folder, metadata, index, index_lock)
    size = size_of(folder, budget)
    _tell(metadata, budget, size)
    present = _present(folder)
    with metadata.read() as connection:
        known = store.known_stems(connection, [segment.stem for segment in present])
        cursors = store.all_cursors(connection)
    in_history = {stem for stem, compacted in known.items() if compacted}
    passed = {each.stem for each in present if all(cursor.get(each.stem, 0) >= each.size_bytes for cursor in cursors)}
    excess = budget.excess(present, in_history, passed)
    going = [_counted(each, each.stem in in_history, cursors) for each in excess]
    if going:
        _write_down(metadata, going, sum(each.size_bytes for each in present), budget)
        finish(folder, metadata, index, index_lock)
    return going


def finish(folder: Path, metadata: Metadata, index: IdIndex, index_lock: threading.Lock) -> None:
    """Remove the files of what was written down as expired. The index of what is in Delta stays, for late labels."""
    with metadata.read() as connection:
        expired = store.all_expired(connection)
    if not expired:
        return
    present = {segment.stem: segment for segment in _present(folder)}
    with index_lock:
        for each in expired:
            segment = present.get(each.stem)
            if segment is not None and each.in_history and kind_of(each.stem) == "predictions":
                index.write(segment)
            if segment is not None:
                segment.path.unlink(missing_ok=True)
            if not each.in_history:
                index.remove([each.stem])
    with metadata.record() as connection:
        store.settle_expired(connection, [each.stem for each in expired])


def size_of(folder: Path, budget: LogBudget) -> LogSize:
    """What the log of a folder takes, and what its disk has left."""
    folder.mkdir(parents=True, exist_ok=True)
    return LogSize(
        segments_bytes=sum(segment.size_bytes for segment in _present(folder)),
        index_bytes=sum(map(_size_bytes, folder.glob("*.ids"))),
        free_bytes=shutil.disk_usage(folder).free,
        budget_bytes=budget.segments_bytes,
    )


def _size_bytes(path: Path) -> int:
    """The size of a file, which the controller may remove while another process counts."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _present(folder: Path) -> list[Segment]:
    return [*segments(folder, "predictions"), *segments(folder, "labels")]


def _counted(segment: Segment, in_history: bool, cursors: Sequence[Mapping[str, int]]) -> store.Expired:
    """How many records of a segment are lost, or, if they are in Delta, are only not read by every consumer.

    Counted without the check of `read_segment`: a damaged segment, too, must be able to go.
    """
    read_to = min((cursor.get(segment.stem, 0) for cursor in cursors), default=0) if in_history else 0
    records = sum(count_rows(payload) for _, payload in read_frames(segment.path, read_to, _ALL).found)
    return store.Expired(segment.stem, records, segment.size_bytes, in_history)


def _write_down(metadata: Metadata, going: Sequence[store.Expired], present_bytes: int, budget: LogBudget) -> None:
    facts = {
        "segments": [each.stem for each in going],
        "size_bytes": sum(each.size_bytes for each in going),
        "lost": sum(each.records for each in going if not each.in_history),
        "unread": sum(each.records for each in going if each.in_history),
        "segments_bytes": present_bytes,
        "budget_bytes": budget.segments_bytes,
    }
    with metadata.change() as change:
        entry_id = change.emit("storage.log.expired", SUBJECT, facts)
        store.add_expired(change.connection, going, entry_id)


def _tell(metadata: Metadata, budget: LogBudget, size: LogSize) -> None:
    """Say that the log has become crowded, or is so no more; each once."""
    with metadata.read() as connection:
        last = read_entries(connection, kinds=[CROWDED, EASED], newest_first=True, limit=1)
    was = bool(last) and last[0].kind == CROWDED
    facts = {
        "segments_bytes": size.segments_bytes,
        "budget_bytes": budget.segments_bytes,
        "free_bytes": size.free_bytes,
        "free_wanted_bytes": budget.free_bytes,
    }
    if not was and budget.crowded(size):
        with metadata.change() as change:
            change.emit("storage.log.crowded", SUBJECT, facts)
    elif was and budget.eased(size):
        with metadata.change() as change:
            change.emit("storage.log.eased", SUBJECT, facts)
