"""Appends predictions and labels: one writer a process, about 2 us a record, encoding included.

When `append` has returned, the record is in the page cache and outlives the process. Called by inference workers
before an answer leaves, and by whoever takes labels. It never waits for a reader, a lock or a disk (but for reserving
the next segment).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidewheel.base.errors import InvalidInput
from tidewheel.storage.predictions.frames import frame_bytes
from tidewheel.storage.predictions.records import Label, Prediction, RowsPrediction, encode, encode_rows
from tidewheel.storage.predictions.segments import Kind, OpenSegment, segment_room


class PredictionWriter:
    """Writes the segments `<kind>-<name>-…` of one process. Use it from one thread."""

    def __init__(self, folder: Path, name: str, segment_bytes: int = 16 * 2**20) -> None:
        if not name.replace("_", "").isalnum():
            raise InvalidInput(f"{name!r} cannot name a log writer.", fix="Use letters, digits and underscores.")
        self._folder = folder
        self._name = name
        self._segment_bytes = segment_bytes
        self._predictions: OpenSegment | None = None
        self._labels: OpenSegment | None = None

    def append(self, record: Prediction | Label) -> None:
        """Log a record; it is acknowledged when this returns.

        Raises:
            Unavailable: if the disk has no room for another segment. The record is then not logged.
        """
        payload = encode(record)
        if record.__class__ is Prediction:
            self._append_prediction(payload)
        elif self._labels is None or not self._labels.append(payload):
            self._next("labels", self._labels, [payload]).append(payload)

    def append_rows(self, record: RowsPrediction, rows: int) -> None:
        """Log the `rows` rows of a request, all of them or none, as `append` logs one."""
        self._append_prediction(encode_rows(record, rows))

    def append_labels(self, labels: Sequence[Label]) -> None:
        """Log several labels, as `append` logs one: all of them, or none if there is no room for all."""
        if not labels:  # for which no segment need be begun
            return
        payloads = [encode(label) for label in labels]
        segment = self._labels
        if segment is None or not segment.has_room(sum(frame_bytes(len(payload)) for payload in payloads)):
            segment = self._next("labels", segment, payloads)
        for payload in payloads:
            segment.append(payload)

    def seal(self) -> None:
        """Close the open segments; the next append begins new ones."""
        for segment in (self._predictions, self._labels):
            if segment is not None:
                segment.seal()
        self._predictions = self._labels = None

    def _append_prediction(self, payload: bytes) -> None:
        if self._predictions is None or not self._predictions.append(payload):
            self._next("predictions", self._predictions, [payload]).append(payload)

    def _next(self, kind: Kind, full: OpenSegment | None, payloads: Sequence[bytes]) -> OpenSegment:
        """A segment with room for payloads, in place of a full one, which is sealed once the next is there."""
        following = OpenSegment(self._folder, kind, self._name, segment_room(self._segment_bytes, payloads))
        if kind == "predictions":
            self._predictions = following
        else:
            self._labels = following
        if full is not None:
            full.seal()
        return following
