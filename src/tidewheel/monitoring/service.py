"""`Monitoring`: folds the prediction log into sketches and watches, and raises alerts.

`run` is called several times a second by the controller that leads. What it folds and how far it has read commit
together, so every prediction and label counts exactly once whatever is killed when; an alert follows from stored
state, so it is raised by the next run if this one dies first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import NotFound
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us, parse_instant
from tidewheel.monitoring import store
from tidewheel.monitoring.definitions import describe, restore
from tidewheel.monitoring.records import Alert, AlertState, EvidencePoint, Finding, Reading, ReadingState
from tidewheel.monitoring.sketches import MINUTE_US, SketchLayout
from tidewheel.monitoring.subject import build_subject, observed_columns
from tidewheel.monitoring.watch import LabelFacts, Monitor, Outcomes, Subject, Watch
from tidewheel.registry import Registry
from tidewheel.stats import BinnedSketch
from tidewheel.storage import Metadata
from tidewheel.storage.predictions import Label, Prediction, PredictionLog

CONSUMER = "monitoring"
_UNRESOLVED = (AlertState.OPEN, AlertState.ACKNOWLEDGED)
_POINT_EVERY_US = 10 * MINUTE_US  # evidence is charted at this step, in the platform's time


@dataclass(slots=True)
class _Kept:
    """One watch in memory, and the last progress that was stored."""

    monitor: Monitor
    watch: Watch
    stored: object = None


@dataclass(frozen=True, slots=True)
class _Watched:
    """A version under watch."""

    endpoint: str
    version: str
    subject: Subject
    layout: SketchLayout
    watches: list[_Kept]


class Monitoring:
    """Watches the versions that loops ask it to, and says when something has changed."""

    def __init__(self, metadata: Metadata, predictions: PredictionLog, registry: Registry, clock: Clock) -> None:
        self._metadata = metadata
        self._predictions = predictions
        self._registry = registry
        self._clock = clock
        self._watched: list[_Watched] = []
        self._cursor: dict[str, int] | None = None
        self._loaded = False

    def watch(self, endpoint: str, version_id: str, monitors: Sequence[Monitor], label: LabelFacts) -> None:
        """Watch a version instead of whichever was watched at this endpoint; its open alerts are resolved."""
        started_at_us = self._clock.now_us()
        rows = [
            {
                "endpoint": endpoint,
                "version": version_id,
                "monitor": monitor.name,
                "position": position,
                "label": {"name": label.name, "prediction": label.prediction},
                "started_at_us": started_at_us,
                **describe(monitor),
            }
            for position, monitor in enumerate(monitors)
        ]
        self.resolve([alert.id for alert in self.open_alerts(endpoint)], f"{version_id} is watched from now on")
        with self._metadata.change() as change:
            store.delete_watches(change, endpoint)
            if rows:
                store.insert_watches(change, rows)
            facts = {"monitors": [monitor.name for monitor in monitors]}
            change.emit("monitoring.watch.started", f"endpoint:{endpoint}", facts, inputs=[f"version:{version_id}"])
        self._loaded = False

    @door("POST", "/monitoring/run")
    def run(self) -> list[Alert]:
        """Fold what was logged since the last run, look at every watch, and return the alerts raised."""
        now_us = self._clock.now_us()  # before reading: what was logged before a window's end is then in the batch
        more = True
        while more:
            more = self._fold(now_us)
        return [alert for watched in self._watched for alert in self._raise(watched)]

    @door("GET", "/monitoring/readings")
    def report(self, endpoint: str | None = None) -> list[Reading]:
        """How every monitor stands."""
        with self._metadata.read() as connection:
            rows = store.all_watches(connection)
        return [_reading(row) for row in rows if endpoint in {None, row.endpoint}]

    @door("GET", "/monitoring/evidence")
    def evidence(self, endpoint: str, since: str | None = None, limit: int = 2000) -> list[EvidencePoint]:
        """Each monitor's evidence over time, oldest first."""
        since_us = round(parse_instant(since).timestamp() * 1e6) if since else 0
        with self._metadata.read() as connection:
            return store.read_evidence(connection, endpoint, since_us, limit)

    @door("GET", "/monitoring/alerts")
    def alerts(self, endpoint: str | None = None, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        """Alerts, newest first."""
        with self._metadata.read() as connection:
            return store.list_alerts(connection, endpoint=endpoint, states=[state] if state else (), limit=limit)

    @door("POST", "/monitoring/alerts/{alert_id}/acknowledge")
    def acknowledge(self, alert_id: str) -> Alert:
        """Say that a person has seen an alert. It still counts as a reason to retrain."""
        with self._metadata.change() as change:
            if store.find_alert(change.connection, alert_id) is None:
                raise NotFound(f"There is no alert {alert_id!r}.", fix="`tidewheel alerts ls` lists them.")
            store.set_alert_state(change, alert_id, AlertState.ACKNOWLEDGED, None, "")
            change.emit("monitoring.alert.acknowledged", f"alert:{alert_id}")
            alert = store.find_alert(change.connection, alert_id)
        assert alert is not None
        return alert

    def open_alerts(self, endpoint: str, version_id: str | None = None) -> list[Alert]:
        """The alerts that nobody has resolved, oldest first."""
        with self._metadata.read() as connection:
            found = store.list_alerts(connection, endpoint=endpoint, version=version_id, states=_UNRESOLVED, limit=1000)
        return found[::-1]

    def resolve(self, alert_ids: Sequence[str], resolution: str) -> None:
        """Close alerts; their monitors begin again, and fire again if what they saw is still so."""
        for alert_id in alert_ids:
            with self._metadata.read() as connection:
                alert = store.find_alert(connection, alert_id)
            if alert is None or alert.state is AlertState.RESOLVED:
                continue
            kept = self._find(alert.endpoint, alert.version, alert.monitor)
            with self._metadata.change() as change:
                store.set_alert_state(change, alert_id, AlertState.RESOLVED, self._clock.now_us(), resolution)
                change.emit("monitoring.alert.resolved", f"alert:{alert_id}", {"resolution": resolution})
                if kept is not None:
                    watched, each = kept
                    each.watch.reset()
                    self._save(change.connection, watched, each, force=True)

    def _fold(self, now_us: int) -> bool:
        with self._metadata.record() as connection:
            cursor = self._predictions.load_cursor(connection, CONSUMER)
            if not self._loaded or cursor != self._cursor:  # first run, or another controller led meanwhile
                self._load(connection)
            batch = self._predictions.read(cursor)
            found = self._predictions.find([label.id for label in batch.labels])
            for watched in self._watched:
                self._sketch(connection, watched, batch.predictions)
                outcomes = _outcomes(watched, batch.labels, found)
                for kept in watched.watches:
                    kept.watch.fold(outcomes)
            if not batch.more:
                self._advance(connection, now_us)
            self._predictions.save_cursor(connection, CONSUMER, batch.cursor)
            for watched in self._watched:
                self._keep(connection, watched)
        self._cursor = batch.cursor
        return batch.more

    def _advance(self, connection: Connection, now_us: int) -> None:
        for watched in self._watched:
            layout, key = watched.layout, (watched.endpoint, watched.version)

            def windows(
                since_us: int, until_us: int, layout: SketchLayout = layout, key: tuple[str, str] = key
            ) -> dict[str, BinnedSketch]:
                return layout.merge([m for _, m in store.read_sketches(connection, *key, since_us, until_us)])

            for kept in watched.watches:
                kept.watch.advance(now_us, windows)

    def _sketch(self, connection: Connection, watched: _Watched, predictions: list[Prediction]) -> None:
        mine = [p for p in predictions if _is_live(p, watched)]
        if not mine or not watched.layout.bins:
            return
        features = np.frombuffer(b"".join(p.features for p in mine), dtype="<f8").reshape(len(mine), -1)
        outputs = np.frombuffer(b"".join(p.outputs for p in mine), dtype="<f8").reshape(len(mine), -1)
        at_us = np.array([p.at_us for p in mine], dtype=np.int64)
        counts = watched.layout.count_minutes(at_us, observed_columns(watched.subject, features, outputs))
        key = (watched.endpoint, watched.version)
        for minute, stored in store.read_sketches(connection, *key, min(counts), max(counts) + 1):
            if minute in counts:
                counts[minute] = counts[minute] + watched.layout.unpack(stored)
        store.put_sketches(connection, *key, {minute: watched.layout.pack(each) for minute, each in counts.items()})

    def _keep(self, connection: Connection, watched: _Watched) -> None:
        points = [self._save(connection, watched, kept) for kept in watched.watches]
        store.add_evidence(connection, watched.endpoint, points)

    def _save(self, connection: Connection, watched: _Watched, kept: _Kept, *, force: bool = False) -> EvidencePoint:
        """Store how a watch stands; return the point of evidence to chart."""
        look, now_us = kept.watch.look(), self._clock.now_us()
        reading = Reading(
            monitor=kept.monitor.name,
            kind=kept.monitor.kind,
            endpoint=watched.endpoint,
            version=watched.version,
            at=from_us(now_us),
            state=look.state,
            log_evidence=look.log_evidence,
            log_threshold=look.log_threshold,
            seen=look.seen,
            summary=look.summary,
            change_at=look.change_at,
            findings=look.findings,
        )
        progress = getattr(kept.watch, "progress", look.seen)
        state = kept.watch.to_dict() if force or progress != kept.stored else None
        kept.stored = progress
        store.save_watch(connection, (watched.endpoint, watched.version, kept.monitor.name), state, reading)
        step = from_us(now_us // _POINT_EVERY_US * _POINT_EVERY_US)
        return EvidencePoint(kept.monitor.name, step, look.log_evidence, look.log_threshold)

    def _raise(self, watched: _Watched) -> list[Alert]:
        alarms = [kept for kept in watched.watches if kept.watch.look().state is ReadingState.ALARM]
        if not alarms:
            return []
        known = {alert.monitor for alert in self.open_alerts(watched.endpoint, watched.version)}
        return [self._raise_one(watched, kept) for kept in alarms if kept.monitor.name not in known]

    def _raise_one(self, watched: _Watched, kept: _Kept) -> Alert:
        look = kept.watch.look()
        alert = Alert(
            id=new_id("alert"),
            monitor=kept.monitor.name,
            kind=kept.monitor.kind,
            endpoint=watched.endpoint,
            version=watched.version,
            state=AlertState.OPEN,
            at=self._clock.now(),
            change_at=look.change_at,
            summary=look.summary,
            findings=look.findings,
            evidence={
                "log_evidence": look.log_evidence,
                "log_threshold": look.log_threshold,
                **look.facts,
                "shifted": _shifted(watched),
            },
        )
        with self._metadata.change(actor=f"monitor:{kept.monitor.name}") as change:
            store.insert_alert(change, alert)
            facts = {"summary": alert.summary, "kind": alert.kind, "endpoint": alert.endpoint, **alert.evidence}
            facts |= {"change_at": alert.change_at, "findings": [asdict(finding) for finding in alert.findings]}
            change.emit("monitoring.alert.raised", f"alert:{alert.id}", facts, inputs=[f"version:{watched.version}"])
        return alert

    def _load(self, connection: Connection) -> None:
        """Take up every watch from its stored state."""
        rows = store.all_watches(connection)
        self._watched = [
            self._load_version(endpoint, version, list(group))
            for (endpoint, version), group in groupby(rows, key=lambda row: (row.endpoint, row.version))
        ]
        self._loaded = True

    def _load_version(self, endpoint: str, version: str, rows: list[Row[Any]]) -> _Watched:
        label, monitors = restore(rows[0].label, [(row.type, row.definition) for row in rows])
        subject = build_subject(self._registry, self._registry.version(version), label, rows[0].started_at_us)
        kept = [
            _Kept(monitor, monitor.resume(subject, row.state) if row.state else monitor.begin(subject))
            for monitor, row in zip(monitors, rows, strict=True)
        ]
        return _Watched(endpoint, version, subject, SketchLayout(subject.bins), kept)

    def _find(self, endpoint: str, version: str, monitor: str) -> tuple[_Watched, _Kept] | None:
        if not self._loaded:
            with self._metadata.read() as connection:
                self._load(connection)
        for watched in self._watched:
            if (watched.endpoint, watched.version) == (endpoint, version):
                for kept in watched.watches:
                    if kept.monitor.name == monitor:
                        return watched, kept
        return None


def _is_live(prediction: Prediction, watched: _Watched) -> bool:
    return (
        prediction.arm == "live"
        and prediction.version == watched.version
        and prediction.endpoint == watched.endpoint
        and len(prediction.features) == 8 * len(watched.subject.features)
        and len(prediction.outputs) == 8 * len(watched.subject.outputs)
    )


def _outcomes(watched: _Watched, labels: list[Label], found: dict[str, Prediction]) -> Outcomes:
    subject = watched.subject
    place = subject.outputs.index(subject.prediction)
    rows = []
    for label in labels:
        prediction = found.get(label.id)
        if prediction is not None and subject.label in label.values and _is_live(prediction, watched):
            rows.append((prediction.at_us, label.values[subject.label], prediction.output_values()[place]))
    rows.sort(key=lambda row: row[0])
    at_us = np.array([row[0] for row in rows], dtype=np.int64)
    return Outcomes(at_us, np.array([row[1] for row in rows]), np.array([row[2] for row in rows]))


def _shifted(watched: _Watched) -> list[dict[str, Any]]:
    """The features that have moved most, as far as the data monitors know, for whoever reads an alert."""
    looks = [kept.watch.look() for kept in watched.watches if kept.monitor.kind in {"data", "prediction"}]
    findings = sorted((finding for look in looks for finding in look.findings), key=lambda each: -each.effect)
    return [asdict(finding) for finding in findings[:5]]


def _reading(row: Row[Any]) -> Reading:
    if row.reading is None:
        return Reading(
            monitor=row.monitor,
            kind="",
            endpoint=row.endpoint,
            version=row.version,
            at=from_us(row.started_at_us),
            state=ReadingState.LEARNING,
            log_evidence=0.0,
            log_threshold=0.0,
            seen=0,
            summary="nothing seen yet",
        )
    fields = dict(row.reading)
    fields["findings"] = tuple(Finding(**finding) for finding in fields["findings"])
    fields["at"] = parse_instant(fields["at"])
    fields["change_at"] = parse_instant(fields["change_at"]) if fields["change_at"] else None
    return Reading(**{**fields, "state": ReadingState(fields["state"])})
