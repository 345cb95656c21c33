"""Appends predictions and labels: one writer a process, about 2 us a record, encoding included.

When `append` has returned, the record is in the page cache and outlives the process. Called by inference workers
before an answer leaves, and by whoever takes labels. It never waits for a reader, a lock or a disk (but for reserving
the next segment).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidewheel.base.errors import InvalidInput
from tidewheel.storage.predictions.records import Label, Prediction
from tidewheel.storage.predictions.segments import Kind, OpenSegment, segment_room

_encode = msgspec.msgpack.Encoder().encode


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
        payload = _encode(record)
        if record.__class__ is Prediction:
            if self._predictions is None or not self._predictions.append(payload):
                self._predictions = self._append_to_next("predictions", self._predictions, payload)
        elif self._labels is None or not self._labels.append(payload):
            self._labels = self._append_to_next("labels", self._labels, payload)

    def seal(self) -> None:
        """Close the open segments; the next append begins new ones."""
        for segment in (self._predictions, self._labels):
            if segment is not None:
                segment.seal()
        self._predictions = self._labels = None

    def _append_to_next(self, kind: Kind, full: OpenSegment | None, payload: bytes) -> OpenSegment:
        following = OpenSegment(self._folder, kind, self._name, segment_room(self._segment_bytes, payload))
        following.append(payload)
        if full is not None:
            full.seal()
        return following
