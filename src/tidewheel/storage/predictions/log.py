"""Reads the prediction log: onward from a cursor, and by id.

Called by the controller's consumers (rollouts, monitors) and by compaction. Never by inference workers, who only write.
Reading takes nothing from writers: segments are read through the page cache that they write to.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from tidewheel.storage.contracts import Tables
from tidewheel.storage.metadata import Metadata
from tidewheel.storage.predictions import compaction, store
from tidewheel.storage.predictions.frames import read_frame
from tidewheel.storage.predictions.id_index import IdIndex
from tidewheel.storage.predictions.records import Label, LogBatch, Prediction
from tidewheel.storage.predictions.segments import Kind, Segment, read_segment, segments

_decode_prediction = msgspec.msgpack.Decoder(Prediction).decode
_decode_label = msgspec.msgpack.Decoder(Label).decode


class PredictionLog:
    """All predictions and labels of a home. May be shared by threads and opened by many processes."""

    def __init__(self, folder: Path, metadata: Metadata, tables: Tables) -> None:
        self.folder = folder
        self._metadata = metadata
        self._tables = tables
        self._index = IdIndex(folder)
        self._index_lock = threading.Lock()

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
            labels = sorted(map(_decode_label, label_payloads), key=lambda label: label.at_us)
        predictions = sorted(map(_decode_prediction, prediction_payloads), key=lambda prediction: prediction.at_us)
        return LogBatch(predictions, labels, following, predictions_more or labels_more)

    def find(self, ids: Sequence[str]) -> dict[str, Prediction]:
        """The answered predictions of ids, wherever they lie by now; an unknown id is left out."""
        if not ids:
            return {}
        with self._index_lock:
            present = list(segments(self.folder, "predictions"))
            places = self._index.locate(ids, present)
        by_stem = {segment.stem: segment for segment in present}
        found: dict[str, Prediction] = {}
        for stem, wanted in places.instants.items():
            found.update(compaction.find_compacted(self._tables, stem, wanted))
        for each, (stem, offset) in places.offsets.items():
            prediction = _prediction_at(by_stem[stem], offset)
            if prediction is not None and prediction.id == each:
                found[each] = prediction
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

    def _read_kind(self, kind: Kind, at: Mapping[str, int], limit: int) -> tuple[list[bytes], dict[str, int], bool]:
        """Payloads after a cursor, where that leaves each segment, and whether any has more. All advance alike."""
        present = list(segments(self.folder, kind))
        fresh = [segment for segment in present if not segment.sealed or at.get(segment.stem, 0) < segment.size_bytes]
        share = max(limit // max(len(fresh), 1), 1)
        ends = {segment.stem: at.get(segment.stem, 0) for segment in present}
        payloads: list[bytes] = []
        more = False
        for segment in fresh:
            found, ends[segment.stem] = read_segment(segment, at.get(segment.stem, 0), share)
            payloads += [payload for _, payload in found]
            more = more or len(found) >= share
        return payloads, ends, more


def _prediction_at(segment: Segment, offset: int) -> Prediction | None:
    try:
        payload = read_frame(segment.path, offset)
    except FileNotFoundError:  # sealed meanwhile
        payload = read_frame(segment.path.with_suffix(".sealed"), offset)
    return _decode_prediction(payload) if payload else None
