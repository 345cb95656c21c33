"""Reads the prediction log: onward from a cursor, and by id.

Called by the controller's consumers (rollouts, monitors) and by compaction. Never by inference workers, who only write.
Reading takes nothing from writers: segments are read through the page cache that they write to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from tidewheel.storage.contracts import Tables
from tidewheel.storage.metadata import Metadata
from tidewheel.storage.predictions import compaction, expiry, retention, store
from tidewheel.storage.predictions.budget import LogBudget, LogSize
from tidewheel.storage.predictions.frames import read_frame
from tidewheel.storage.predictions.id_index import IdIndex
from tidewheel.storage.predictions.records import Label, LogBatch, Prediction, decode_label, decode_predictions
from tidewheel.storage.predictions.segments import Kind, Segment, read_segment, segments

_MEND_EVERY_S = 60.0


class PredictionLog:
    """All predictions and labels of a home. May be shared by threads and opened by many processes."""

    def __init__(self, folder: Path, metadata: Metadata, tables: Tables, budget: LogBudget | None = None) -> None:
        self.folder = folder
        self.budget = budget or LogBudget()
        self._metadata = metadata
        self._tables = tables
        self._index = IdIndex(folder)
        self._index_lock = threading.Lock()
        self._mended_at = -_MEND_EVERY_S

    def read(self, cursor: Mapping[str, int] | None = None, limit: int = 20_000) -> LogBatch:
        """What was logged after `cursor` (None: from the oldest segment), about `limit` records at most.

        Predictions and labels come in order of their instants within the batch. A label never comes before its
        prediction: it is in this batch or was in an earlier one. Labels wait while predictions are still to be read.
        """
        at = dict(cursor or {})
        # Labels first: whatever is labelled by now was logged by now, so reading predictions afterwards finds it.
        label_payloads, label_ends, labels_more = self._read_kind("labels", at, limit)
        prediction_payloads, prediction_ends, predictions_more = self._read_kind("predictions", at, limit)
        following = {**prediction_ends, **{stem: at.get(stem, 0) for stem in label_ends}}
        labels: list[Label] = []
        if not predictions_more:
            following.update(label_ends)
            labels = sorted(map(decode_label, label_payloads), key=lambda label: label.at_us)
        predictions = [each for payload in prediction_payloads for each in decode_predictions(payload)]
        predictions.sort(key=lambda prediction: prediction.at_us)
        return LogBatch(predictions, labels, following, predictions_more or labels_more)

    def find(self, ids: Sequence[str]) -> dict[str, Prediction]:
        """The answered predictions of ids, wherever they lie by now, however late; an unknown id is left out."""
        found = self._find(ids)
        unknown = [each for each in ids if each not in found]
        if unknown and self._mend_index():
            found |= self._find(unknown)
        return found

    def _find(self, ids: Sequence[str]) -> dict[str, Prediction]:
        while True:
            try:
                return self._find_once(ids)
            except FileNotFoundError:  # a segment was removed since it was found: look where its records are now
                continue

    def _mend_index(self) -> bool:
        """Make missing index files again, looking for them once in a while: most unknown ids were never logged."""
        with self._index_lock:
            if time.monotonic() - self._mended_at < _MEND_EVERY_S:
                return False
            self._mended_at = time.monotonic()
            return retention.mend_index(self.folder, self._metadata, self._tables, self._index)

    def _find_once(self, ids: Sequence[str]) -> dict[str, Prediction]:
        if not ids:
            return {}
        with self._index_lock:
            present = list(segments(self.folder, "predictions"))
            places = self._index.locate(ids, present)
        by_stem = {segment.stem: segment for segment in present}
        found: dict[str, Prediction] = {}
        for stem, wanted in places.instants.items():
            found.update(compaction.find_compacted(self._tables, stem, wanted))
        by_place: dict[tuple[str, int], set[str]] = {}
        for each, place in places.offsets.items():
            by_place.setdefault(place, set()).add(each)
        for (stem, offset), wanted_here in by_place.items():  # a request's rows lie together, and are read once
            read = _at(by_stem[stem], offset)
            found.update((prediction.id, prediction) for prediction in read if prediction.id in wanted_here)
        return found

    def load_cursor(self, connection: Connection, consumer: str) -> dict[str, int] | None:
        """Where a consumer is, or None if it has never saved."""
        return store.load_cursor(connection, consumer)

    def save_cursor(self, connection: Connection, consumer: str, cursor: Mapping[str, int]) -> None:
        """Keep where a consumer is, in the transaction of what it made of the batch: each record counts exactly once.

        From its first save on, segments that a consumer has not passed are kept.
        """
        store.save_cursor(connection, consumer, dict(cursor))

    def forget_consumer(self, connection: Connection, consumer: str) -> None:
        """A consumer that will not come back no longer holds segments back."""
        store.forget_consumer(connection, consumer)

    def compact(self, at: datetime) -> int:
        """Move sealed segments to the Delta tables and return how many were moved. Repeating it after a crash is safe.

        Files go once they are in Delta and every consumer has passed them. One process at a time should do this.
        """
        return compaction.compact(self.folder, self._metadata, self._tables, self._index, self._index_lock, at)

    def expire(self) -> list[store.Expired]:
        """Remove segments until the log is within its budget, and return what had to go before all had read it.

        Journals what is lost (`storage.log.expired`) before it is, and that the log is crowded (`storage.log.crowded`,
        later `eased`) before that. Repeating it after a crash is safe. One process at a time should do this.
        """
        return expiry.expire(self.folder, self._metadata, self._index, self._index_lock, self.budget)

    def forget(self, at: datetime) -> int:
        """Forget rows of the Delta tables that are older than the budget's days, if it has any; how many those were."""
        if not self.budget.days:
            return 0
        before = at - timedelta(days=self.budget.days)
        return retention.forget(self.folder, self._metadata, self._tables, self._index, self._index_lock, before, at)

    def size(self) -> LogSize:
        """What the log takes on this machine's disk, without the Delta tables."""
        return expiry.size_of(self.folder, self.budget)

    def _read_kind(self, kind: Kind, at: Mapping[str, int], limit: int) -> tuple[list[bytes], dict[str, int], bool]:
        """Payloads after a cursor, where that leaves each segment, and whether any has more. All advance alike."""
        present = list(segments(self.folder, kind))
        fresh = [segment for segment in present if not segment.sealed or at.get(segment.stem, 0) < segment.size_bytes]
        share = max(limit // max(len(fresh), 1), 1)
        ends = {segment.stem: at.get(segment.stem, 0) for segment in present}
        payloads: list[bytes] = []
        more = False
        for segment in fresh:
            frames = read_segment(segment, at.get(segment.stem, 0), share)
            ends[segment.stem] = frames.end
            payloads += [payload for _, payload in frames.found]
            more = more or frames.full
        return payloads, ends, more


def _at(segment: Segment, offset: int) -> list[Prediction]:
    try:
        payload = read_frame(segment.path, offset)
    except FileNotFoundError:  # sealed meanwhile
        payload = read_frame(segment.path.with_suffix(".sealed"), offset)
    return decode_predictions(payload) if payload else []
