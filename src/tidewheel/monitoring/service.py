"""`Monitoring`: folds the prediction log into sketches and watches, and raises alerts.

`run` is called several times a second by the controller that leads. What it folds and how far it has read commit
together, so every prediction and label counts exactly once whatever is killed when; an alert follows from stored
state, so it is raised by the next run if this one dies first. Watches in memory are a copy of what is stored: each
transaction begins by loading those that another process has changed, and a failed one drops them all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Connection, Row

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.base.ids import new_id
from tidewheel.base.settings import Settings
from tidewheel.base.units import from_us, parse_instant, to_us
from tidewheel.monitoring import log_room, store
from tidewheel.monitoring.definitions import describe
from tidewheel.monitoring.records import Alert, AlertState, EvidencePoint, Finding, Reading, ReadingState
from tidewheel.monitoring.told_labels import ToldLabels
from tidewheel.monitoring.watch import LabelFacts, Monitor
from tidewheel.monitoring.watched import Kept, Watched
from tidewheel.registry import Registry
from tidewheel.storage import Change, Metadata
from tidewheel.storage.predictions import LogBatch, Prediction, PredictionLog

CONSUMER = "monitoring"
_UNRESOLVED = (AlertState.OPEN, AlertState.ACKNOWLEDGED)
_RECENT = 50_000  # live predictions kept in memory for the labels to come, about 25 MB
_SHIFTED_KINDS = ("data", "prediction")


class Monitoring:
    """Watches the versions that loops ask it to, and says when something has changed. May be shared by threads."""

    def __init__(
        self,
        metadata: Metadata,
        predictions: PredictionLog,
        registry: Registry,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._metadata = metadata
        self._predictions = predictions
        self._registry = registry
        self._clock = clock
        self._step_us = settings.get("monitoring.sketch_s", int) * 1_000_000
        self._watched: list[Watched] = []
        self._recent: dict[str, Prediction] = {}
        self._told = ToldLabels()
        self._lock = threading.RLock()

    def watch(self, endpoint: str, version_id: str, monitors: Sequence[Monitor], label: LabelFacts) -> None:
        """Watch a version instead of whichever was watched at this endpoint; its open alerts are resolved.

        Raises:
            InvalidInput: if a monitor cannot watch this version, or two have the same name.
        """
        names = [monitor.name for monitor in monitors]
        if len(set(names)) < len(names):
            raise InvalidInput(f"Two monitors of {endpoint!r} have the same name: {names}.", fix="Leave one out.")
        started_at_us = self._clock.now_us()
        fresh = Watched.begin(self._registry, endpoint, version_id, monitors, label, started_at_us, self._step_us)
        self._check_windows(fresh)
        common = {
            "endpoint": endpoint,
            "version": version_id,
            "label": {"name": label.name, "prediction": label.prediction},
            "started_at_us": started_at_us,
            "revision": 0,
        }
        rows = [
            {**common, "monitor": monitor.name, "position": position, **describe(monitor)}
            for position, monitor in enumerate(monitors)
        ]
        with self._changing() as change:
            for alert in store.list_alerts(change.connection, endpoint=endpoint, states=_UNRESOLVED, limit=1000):
                self._close(change, alert.id, f"{version_id} is watched from now on")
            store.replace_watches(change, endpoint, rows)
            self._watched = [each for each in self._watched if each.endpoint != endpoint]
            self._watched += [fresh] if rows else []
            change.emit(
                "monitoring.watch.started",
                f"endpoint:{endpoint}",
                {"monitors": names},
                inputs=[f"version:{version_id}"],
            )

    @door("POST", "/monitoring/run")
    def run(self) -> list[Alert]:
        """Fold what was logged since the last run, look at every watch, and return the alerts raised."""
        now_us = self._clock.now_us()  # before reading: what was logged before a window's end is then in the batch
        with self._lock:
            while self._fold(now_us):
                pass
            raised = [alert for watched in self._watched for alert in self._raise(watched)]
        crowded = log_room.follow(self._metadata, self._clock)
        return [*raised, crowded] if crowded else raised

    @door("GET", "/monitoring/readings")
    def report(self, endpoint: str | None = None) -> list[Reading]:
        """How every monitor stands."""
        with self._metadata.read() as connection:
            return [_reading(row) for row in store.all_watches(connection, endpoint)]

    @door("GET", "/monitoring/evidence")
    def evidence(self, endpoint: str, since: str | None = None, limit: int = 2000) -> list[EvidencePoint]:
        """Each monitor's evidence over time, oldest first."""
        since_us = to_us(parse_instant(since)) if since else 0
        with self._metadata.read() as connection:
            return store.read_evidence(connection, endpoint, since_us, limit)

    @door("GET", "/monitoring/alerts")
    def alerts(self, endpoint: str | None = None, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        """Alerts, newest first."""
        with self._metadata.read() as connection:
            return store.list_alerts(connection, endpoint=endpoint, states=[state] if state else (), limit=limit)

    @door("POST", "/monitoring/alerts/{alert_id}/acknowledge")
    def acknowledge(self, alert_id: str) -> Alert:
        """Say that a person has seen an alert. It still counts as a reason to retrain.

        Raises:
            Conflict: if it is resolved.
        """
        with self._metadata.change() as change:
            if store.find_alert(change.connection, alert_id) is None:
                raise NotFound(f"There is no alert {alert_id!r}.", fix="`tidewheel alerts ls` lists them.")
            if not store.move_alert(change, alert_id, _UNRESOLVED, AlertState.ACKNOWLEDGED):
                raise Conflict(f"The alert {alert_id!r} is resolved.")
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
        """Close alerts; their monitors begin again, and fire again if what they saw is still so.

        An alert that is resolved already, or unknown, is left as it is.
        """
        with self._metadata.read() as connection:
            found = [store.find_alert(connection, alert_id) for alert_id in alert_ids]
        open_ids = [alert.id for alert in found if alert is not None and alert.state in _UNRESOLVED]
        if not open_ids:
            return
        with self._changing() as change:
            for alert_id in open_ids:
                self._close(change, alert_id, resolution)
            if not change.emitted:
                raise Conflict(f"The alerts {open_ids} have just been resolved by another process.")

    def _fold(self, now_us: int) -> bool:
        """Fold one batch of the log; True if there is more."""
        with self._metadata.read() as connection:
            cursor = self._predictions.load_cursor(connection, CONSUMER)
        batch = self._predictions.read(cursor)
        found, labels = self._answered(batch), self._told.first_told(batch.labels)
        with self._current(), self._metadata.record() as connection:
            store.lock(connection)
            if self._predictions.load_cursor(connection, CONSUMER) != cursor:
                return True  # another process has folded this batch meanwhile
            self._load(connection)
            for watched in self._watched:
                watched.take(connection, batch.predictions, labels, found)
                if not batch.more:
                    watched.advance(connection, now_us)
                watched.save(connection, from_us(now_us))
            if batch.cursor != cursor:
                self._predictions.save_cursor(connection, CONSUMER, batch.cursor)
        self._told.remember(labels)
        return batch.more

    def _answered(self, batch: LogBatch) -> dict[str, Prediction]:
        """The predictions of a batch's labels: from those read of late, which most are, else from the log."""
        self._recent.update((each.id, each) for each in batch.predictions if each.arm == "live")
        wanted = [label.id for label in batch.labels]
        found = {each: self._recent[each] for each in wanted if each in self._recent}
        found |= self._predictions.find([each for each in wanted if each not in found])
        for each in list(islice(self._recent, max(len(self._recent) - _RECENT, 0))):
            del self._recent[each]
        return found

    def _raise(self, watched: Watched) -> list[Alert]:
        alarms = [kept for kept in watched.kept if kept.look.state is ReadingState.ALARM]
        if not alarms:
            return []
        known = {alert.monitor for alert in self.open_alerts(watched.endpoint, watched.version)}
        raised = [self._raise_one(watched.key(kept)) for kept in alarms if kept.monitor.name not in known]
        return [alert for alert in raised if alert is not None]

    def _raise_one(self, key: store.WatchKey) -> Alert | None:
        """Raise the alert of a watch, unless another process has raised or resolved it since we looked."""
        endpoint, version, monitor = key
        try:
            with self._changing(actor=f"monitor:{monitor}") as change:
                known = store.list_alerts(change.connection, endpoint=endpoint, version=version, states=_UNRESOLVED)
                place = self._find(key)
                if (
                    place is None
                    or place[1].look.state is not ReadingState.ALARM
                    or monitor in {a.monitor for a in known}
                ):
                    raise Conflict(f"The alert of {monitor} is no longer to be raised.")
                alert = _alert(*place, self._clock)
                store.insert_alert(change, alert)
                facts = {"summary": alert.summary, "kind": alert.kind, "endpoint": alert.endpoint, **alert.evidence}
                facts |= {"change_at": alert.change_at, "findings": [asdict(finding) for finding in alert.findings]}
                change.emit("monitoring.alert.raised", f"alert:{alert.id}", facts, inputs=[f"version:{version}"])
        except Conflict:
            return None
        return alert

    def _close(self, change: Change, alert_id: str, resolution: str) -> None:
        """Resolve an alert that is not, and let its monitor begin again."""
        now = self._clock.now()
        if not store.move_alert(change, alert_id, _UNRESOLVED, AlertState.RESOLVED, to_us(now), resolution):
            return
        change.emit("monitoring.alert.resolved", f"alert:{alert_id}", {"resolution": resolution})
        alert = store.find_alert(change.connection, alert_id)
        place = self._find((alert.endpoint, alert.version, alert.monitor)) if alert else None
        if place is not None:
            watched, kept = place
            kept.watch.reset()
            watched.store(change.connection, [kept], now)

    def _load(self, connection: Connection) -> None:
        """Take up the watches that are stored otherwise than we have them."""
        stored = store.revisions(connection)
        if stored == {key: mark for watched in self._watched for key, mark in watched.revisions.items()}:
            return
        ours = {(watched.endpoint, watched.version): watched for watched in self._watched}
        watched = []
        for name, group in groupby(store.all_watches(connection), key=lambda row: (row.endpoint, row.version)):
            rows = list(group)
            same = name in ours and ours[name].revisions == {
                key: mark for key, mark in stored.items() if key[:2] == name
            }
            watched.append(ours[name] if same else Watched.load(connection, self._registry, rows, self._step_us))
        self._watched = watched

    def _find(self, key: store.WatchKey) -> tuple[Watched, Kept] | None:
        places = ((watched, kept) for watched in self._watched for kept in watched.kept)
        return next(((watched, kept) for watched, kept in places if watched.key(kept) == key), None)

    @contextmanager
    def _changing(self, actor: str | None = None) -> Iterator[Change]:
        """A change of watches or alerts that sees all watches as they are stored."""
        with self._current(), self._metadata.change(actor=actor) as change:
            store.lock(change.connection)
            self._load(change.connection)
            yield change

    @contextmanager
    def _current(self) -> Iterator[None]:
        """Memory may run ahead of the store within the block; if that fails, it is dropped and loaded again."""
        with self._lock:
            try:
                yield
            except BaseException:
                self._watched = []
                raise

    def _check_windows(self, watched: Watched) -> None:
        for kept in watched.kept:
            if kept.watch.window_us % self._step_us:
                raise InvalidInput(
                    f"The window of {kept.monitor.name} is not a multiple of the {self._step_us // 1_000_000} s in "
                    "which traffic is counted.",
                    fix="Mend its window, or TIDEWHEEL_MONITORING_SKETCH_S.",
                )


def _alert(watched: Watched, kept: Kept, clock: Clock) -> Alert:
    look = kept.look
    evidence = {"log_evidence": look.log_evidence, "log_threshold": look.log_threshold, **look.facts}
    return Alert(
        id=new_id("alert"),
        monitor=kept.monitor.name,
        kind=kept.monitor.kind,
        endpoint=watched.endpoint,
        version=watched.version,
        state=AlertState.OPEN,
        at=clock.now(),
        change_at=look.change_at,
        summary=look.summary,
        findings=look.findings,
        evidence={**evidence, "shifted": _shifted(watched)},
    )


def _shifted(watched: Watched) -> list[dict[str, Any]]:
    """The columns that have most likely moved, as far as the data monitors know, for whoever reads an alert."""
    looks = [kept.look for kept in watched.kept if kept.monitor.kind in _SHIFTED_KINDS]
    findings = sorted((finding for look in looks for finding in look.findings), key=lambda each: -each.log_evidence)
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
