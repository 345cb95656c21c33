"""A version under watch, in memory: its subject, and the watch that each monitor keeps on it.

It turns batches of the prediction log into sketches and outcomes for its watches, and stores what has changed. The
service calls it inside the transaction that moves the log's cursor; what is here may be dropped at any time and loaded
again from what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row

from tidewheel.base.units import from_us, to_us
from tidewheel.monitoring import store
from tidewheel.monitoring.definitions import StoredLabel, restore
from tidewheel.monitoring.records import EvidencePoint, Reading
from tidewheel.monitoring.subject import build_subject, observed_columns
from tidewheel.monitoring.watch import LabelFacts, Look, Monitor, Outcomes, Subject, Watch, Windows
from tidewheel.registry import Registry
from tidewheel.storage.predictions import Label, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINT_EVERY_US = 600_000_000  # evidence is charted at this step of the platform's time


@dataclass(slots=True)
class Kept:
    """One watch, how it stands, and how often its state has been stored."""

    monitor: Monitor
    watch: Watch
    look: Look
    progress: int
    revision: int

    @classmethod
    def of(cls, monitor: Monitor, watch: Watch, revision: int = 0) -> Kept:
        """A watch as it is stored at a revision."""
        return cls(monitor, watch, watch.look(), watch.progress, revision)


@dataclass(frozen=True, slots=True)
class Watched:
    """The watches on one version at one endpoint."""

    endpoint: str
    version: str
    subject: Subject
    step_us: int
    kept: tuple[Kept, ...]

    @classmethod
    def begin(
        cls,
        registry: Registry,
        endpoint: str,
        version: str,
        monitors: Sequence[Monitor],
        label: LabelFacts,
        started_at_us: int,
        step_us: int,
    ) -> Watched:
        """Fresh watches.

        Raises:
            InvalidInput: if a monitor cannot watch this version.
        """
        subject = build_subject(registry, registry.version(version), label, started_at_us)
        kept = tuple(Kept.of(monitor, monitor.begin(subject)) for monitor in monitors)
        return cls(endpoint, version, subject, step_us, kept)

    @classmethod
    def load(cls, connection: Connection, registry: Registry, rows: Sequence[Row[Any]], step_us: int) -> Watched:
        """The watches of stored rows, as they were when these were stored."""
        first, monitors = rows[0], [restore(row.type, row.definition) for row in rows]
        label = StoredLabel(**first.label)
        fresh = cls.begin(registry, first.endpoint, first.version, monitors, label, first.started_at_us, step_us)
        windows = fresh._windows(connection)
        for kept, row in zip(fresh.kept, rows, strict=True):
            if row.state is not None:
                kept.watch.restore(row.state, windows)
        kept_again = (
            Kept.of(kept.monitor, kept.watch, row.revision) for kept, row in zip(fresh.kept, rows, strict=True)
        )
        return cls(fresh.endpoint, fresh.version, fresh.subject, step_us, tuple(kept_again))

    def key(self, kept: Kept) -> store.WatchKey:
        """The stored name of a watch."""
        return self.endpoint, self.version, kept.monitor.name

    @property
    def revisions(self) -> dict[store.WatchKey, tuple[int, int]]:
        """What `store.revisions` says of these watches when nobody else has changed them."""
        return {self.key(kept): (self.subject.started_at_us, kept.revision) for kept in self.kept}

    def take(
        self,
        connection: Connection,
        predictions: Sequence[Prediction],
        labels: Sequence[Label],
        found: dict[str, Prediction],
    ) -> None:
        """Take a batch of the log; `found` has the predictions of the labels."""
        mine = [prediction for prediction in predictions if self._is_mine(prediction)]
        if mine:
            self._sketch(connection, mine)
        outcomes = self._outcomes(labels, found)
        if outcomes.at_us.size:
            for kept in self.kept:
                kept.watch.fold(outcomes)

    def advance(self, connection: Connection, now_us: int) -> None:
        """Close the windows that have ended by `now_us`."""
        before_us, windows = min(self._closed()), self._windows(connection)
        for kept in self.kept:
            kept.watch.advance(now_us, windows)
        after_us, length_us = min(self._closed()), math.gcd(*(kept.watch.window_us for kept in self.kept))
        if after_us > before_us and length_us > self.step_us:
            # What every watch has taken is kept as one row a window. No step before the first window is ever read.
            since_us = max(before_us, min(kept.watch.first_us for kept in self.kept if kept.watch.window_us))
            packed = {at_us: self.subject.layout.pack(each) for at_us, each in windows(since_us, after_us, length_us)}
            store.replace_sketches(connection, self.endpoint, self.version, (since_us, after_us), packed)

    def save(self, connection: Connection, at: datetime) -> None:
        """Store the watches that have moved on, and a point of their evidence."""
        moved = [kept for kept in self.kept if kept.watch.progress != kept.progress]
        self.store(connection, moved, at)
        step = from_us(to_us(at) // _POINT_EVERY_US * _POINT_EVERY_US)
        points = [EvidencePoint(k.monitor.name, step, k.look.log_evidence, k.look.log_threshold) for k in moved]
        store.add_evidence(connection, self.endpoint, points)

    def store(self, connection: Connection, moved: Sequence[Kept], at: datetime) -> None:
        """Store watches as they stand now."""
        saved = []
        for kept in moved:
            kept.look, kept.progress, kept.revision = kept.watch.look(), kept.watch.progress, kept.revision + 1
            saved.append((self.key(kept), kept.revision, kept.watch.to_dict(), self._reading(kept, at)))
        store.save_watches(connection, saved)

    def _reading(self, kept: Kept, at: datetime) -> Reading:
        look = kept.look
        return Reading(
            monitor=kept.monitor.name,
            kind=kept.monitor.kind,
            endpoint=self.endpoint,
            version=self.version,
            at=at,
            state=look.state,
            log_evidence=look.log_evidence,
            log_threshold=look.log_threshold,
            seen=look.seen,
            summary=look.summary,
            change_at=look.change_at,
            findings=look.findings,
        )

    def _is_mine(self, prediction: Prediction) -> bool:
        """A live answer of this version since the watch began, with the features and outputs that it should have."""
        return (
            prediction.version == self.version
            and prediction.arm == "live"
            and prediction.endpoint == self.endpoint
            and prediction.at_us >= self.subject.started_at_us
            and (not self.subject.features or len(prediction.features) == 8 * len(self.subject.features))
            and len(prediction.outputs) == 8 * len(self.subject.outputs)
        )

    def _sketch(self, connection: Connection, mine: Sequence[Prediction]) -> None:
        """Count a batch. What comes late for a window that is closed counts as of its end: closed windows are final."""
        at_us = np.maximum(np.array([each.at_us for each in mine], dtype=np.int64), max(self._closed()))
        # Of tensors nothing is watched: the log may hold them or, where they are large, leave them out.
        features = _matrix([each.features if self.subject.features else b"" for each in mine])
        outputs = _matrix([each.outputs for each in mine])
        layout = self.subject.layout
        counts = layout.count_steps(at_us, observed_columns(self.subject, features, outputs), self.step_us)
        span = min(counts), max(counts) + self.step_us
        for start_us, stored in store.read_sketches(connection, self.endpoint, self.version, *span):
            before = layout.unpack(stored)
            counts[start_us] = counts[start_us] + before if start_us in counts else before
        packed = {start_us: layout.pack(each) for start_us, each in counts.items()}
        store.replace_sketches(connection, self.endpoint, self.version, span, packed)

    def _outcomes(self, labels: Sequence[Label], found: dict[str, Prediction]) -> Outcomes:
        name, place = self.subject.label, self.subject.outputs.index(self.subject.prediction)
        rows = []
        for label in labels:
            prediction = found.get(label.id)
            if prediction is not None and name in label.values and self._is_mine(prediction):
                rows.append((prediction.at_us, label.values[name], float(prediction.output_values()[place])))
        rows = sorted(row for row in rows if math.isfinite(row[1]) and math.isfinite(row[2]))
        at_us = np.array([row[0] for row in rows], dtype=np.int64)
        return Outcomes(at_us, np.array([row[1] for row in rows]), np.array([row[2] for row in rows]))

    def _closed(self) -> list[int]:
        """How far each watch that takes windows has taken them."""
        return [kept.watch.closed_us for kept in self.kept if kept.watch.window_us] or [0]

    def _windows(self, connection: Connection) -> Windows:
        """The stored windows; those asked for again are not read again."""
        layout, known = self.subject.layout, dict[tuple[int, int, int], list[tuple[int, "NDArray[np.int32]"]]]()

        def windows(since_us: int, until_us: int, length_us: int) -> list[tuple[int, NDArray[np.int32]]]:
            asked = since_us, until_us, length_us
            if asked not in known:
                steps = store.read_sketches(connection, self.endpoint, self.version, since_us, until_us)
                known[asked] = list(layout.merge(steps, length_us))
            return known[asked]

        return windows


def _matrix(rows: Sequence[bytes]) -> NDArray[np.float64]:
    return np.frombuffer(b"".join(rows), dtype="<f8").reshape(len(rows), -1)
