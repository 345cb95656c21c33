"""All SQL of monitoring: watches and their state, sketches, alerts, and evidence over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.monitoring.records import Alert, AlertState, EvidencePoint, Finding, Reading
from tidewheel.storage import Change, Json, schema

WatchKey = tuple[str, str, str]
"""(endpoint, version, monitor)."""

watches = Table(
    "monitoring_watches",
    schema,
    Column("endpoint", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("monitor", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("definition", Json, nullable=False),
    Column("label", Json, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", Json),
    Column("reading", Json),
)
sketches = Table(
    "monitoring_sketches",
    schema,
    Column("endpoint", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("at_us", BigInteger, primary_key=True),
    Column("counts", LargeBinary, nullable=False),
)
alerts = Table(
    "monitoring_alerts",
    schema,
    Column("id", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("monitor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("change_at_us", BigInteger),
    Column("summary", Text, nullable=False),
    Column("findings", Json, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("resolved_at_us", BigInteger),
    Column("resolution", Text, nullable=False),
    Index("ix_monitoring_alerts_endpoint_at", "endpoint", "at_us"),
    Index("ix_monitoring_alerts_at", "at_us"),
)
evidence = Table(
    "monitoring_evidence",
    schema,
    Column("endpoint", Text, primary_key=True),
    Column("monitor", Text, primary_key=True),
    Column("at_us", BigInteger, primary_key=True),
    Column("log_evidence", Float, nullable=False),
    Column("log_threshold", Float, nullable=False),
)


# Statements of every run, built once: building them costs more than running them.
_IN_SPAN = (
    (sketches.c.endpoint == bindparam("for_endpoint"))
    & (sketches.c.version == bindparam("for_version"))
    & (sketches.c.at_us >= bindparam("since_us"))
    & (sketches.c.at_us < bindparam("until_us"))
)
_READ_SKETCHES = select(sketches.c.at_us, sketches.c.counts).where(_IN_SPAN).order_by(sketches.c.at_us)
_DELETE_SKETCHES = delete(sketches).where(_IN_SPAN)
_SAVE_WATCH = (
    update(watches)
    .where(watches.c.endpoint == bindparam("for_endpoint"))
    .where(watches.c.version == bindparam("for_version"))
    .where(watches.c.monitor == bindparam("for_monitor"))
    .values(revision=bindparam("new_revision"), state=bindparam("new_state"), reading=bindparam("new_reading"))
)
_DELETE_EVIDENCE = (
    delete(evidence)
    .where(evidence.c.endpoint == bindparam("for_endpoint"))
    .where(evidence.c.monitor == bindparam("for_monitor"))
    .where(evidence.c.at_us == bindparam("for_at_us"))
)
_REVISIONS = select(
    watches.c.endpoint, watches.c.version, watches.c.monitor, watches.c.started_at_us, watches.c.revision
).order_by(watches.c.endpoint, watches.c.version, watches.c.position)
_LOCK = 7_600_002  # any constant: names monitoring's advisory lock in PostgreSQL


def lock(connection: Connection) -> None:
    """Let one transaction at a time fold and change watches. SQLite's writers are one at a time as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def replace_watches(change: Change, endpoint: str, rows: Sequence[dict[str, Any]]) -> None:
    """Watch a version instead of whichever was watched at an endpoint; what was counted for that one is forgotten."""
    change.execute(delete(watches).where(watches.c.endpoint == endpoint))
    change.execute(delete(sketches).where(sketches.c.endpoint == endpoint))
    if rows:
        change.execute(insert(watches), list(rows))


def revisions(connection: Connection) -> dict[WatchKey, tuple[int, int]]:
    """For each watch when it began and how often its state has been stored, in the order of declaration."""
    rows = connection.execute(_REVISIONS)
    return {(row.endpoint, row.version, row.monitor): (row.started_at_us, row.revision) for row in rows}


def all_watches(connection: Connection, endpoint: str | None = None) -> list[Row[Any]]:
    """Every watch, or those of an endpoint, in the order of their declaration."""
    query = select(watches).order_by(watches.c.endpoint, watches.c.version, watches.c.position)
    return list(connection.execute(query if endpoint is None else query.where(watches.c.endpoint == endpoint)))


def save_watches(connection: Connection, saved: Sequence[tuple[WatchKey, int, dict[str, Any], Reading]]) -> None:
    """Keep (key, revision, state, reading) of watches."""
    if saved:
        rows = [
            {**_named(key), "new_revision": revision, "new_state": state, "new_reading": asdict(reading)}
            for key, revision, state, reading in saved
        ]
        connection.execute(_SAVE_WATCH, rows)


def read_sketches(
    connection: Connection, endpoint: str, version: str, since_us: int, until_us: int
) -> list[tuple[int, bytes]]:
    """(instant, counts) of the steps in [since, until), in order."""
    span = {"for_endpoint": endpoint, "for_version": version, "since_us": since_us, "until_us": until_us}
    return [(row.at_us, row.counts) for row in connection.execute(_READ_SKETCHES, span)]


def replace_sketches(
    connection: Connection, endpoint: str, version: str, span_us: tuple[int, int], steps: dict[int, bytes]
) -> None:
    """Put these steps in place of all that lie in [since, until)."""
    span = {"for_endpoint": endpoint, "for_version": version, "since_us": span_us[0], "until_us": span_us[1]}
    connection.execute(_DELETE_SKETCHES, span)
    rows = [{"endpoint": endpoint, "version": version, "at_us": at_us, "counts": each} for at_us, each in steps.items()]
    if rows:
        connection.execute(insert(sketches), rows)


def add_evidence(connection: Connection, endpoint: str, points: Sequence[EvidencePoint]) -> None:
    """Keep points of evidence of one instant, in place of those that are there."""
    if points:
        at_us = to_us(points[0].at)
        names = [{"for_endpoint": endpoint, "for_monitor": point.monitor, "for_at_us": at_us} for point in points]
        connection.execute(_DELETE_EVIDENCE, names)
        rows = [
            {
                "endpoint": endpoint,
                "monitor": point.monitor,
                "at_us": at_us,
                "log_evidence": point.log_evidence,
                "log_threshold": point.log_threshold,
            }
            for point in points
        ]
        connection.execute(insert(evidence), rows)


def read_evidence(connection: Connection, endpoint: str, since_us: int, limit: int) -> list[EvidencePoint]:
    """The newest points of an endpoint since an instant, oldest first."""
    mine = (evidence.c.endpoint == endpoint) & (evidence.c.at_us >= since_us)
    rows = connection.execute(select(evidence).where(mine).order_by(evidence.c.at_us.desc()).limit(limit)).all()
    return [EvidencePoint(row.monitor, from_us(row.at_us), row.log_evidence, row.log_threshold) for row in rows[::-1]]


def insert_alert(change: Change, alert: Alert) -> None:
    """Insert a new alert."""
    values = {
        **{name: getattr(alert, name) for name in ("id", "endpoint", "version", "monitor", "kind", "summary")},
        "state": alert.state.value,
        "at_us": to_us(alert.at),
        "change_at_us": to_us(alert.change_at) if alert.change_at else None,
        "findings": [asdict(finding) for finding in alert.findings],
        "evidence": alert.evidence,
        "resolution": "",
    }
    change.execute(insert(alerts).values(**values))


def move_alert(
    change: Change,
    alert_id: str,
    states: Sequence[AlertState],
    state: AlertState,
    at_us: int | None = None,
    resolution: str = "",
) -> bool:
    """Move an alert that is in one of `states` to another; False if it is in none of them."""
    mine = (alerts.c.id == alert_id) & alerts.c.state.in_([each.value for each in states])
    values = {"state": state.value, "resolved_at_us": at_us, "resolution": resolution}
    return change.execute(update(alerts).where(mine).values(**values)).rowcount == 1


def find_alert(connection: Connection, alert_id: str) -> Alert | None:
    """One alert, or None."""
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).first()
    return _alert(row) if row else None


def list_alerts(
    connection: Connection,
    *,
    endpoint: str | None = None,
    version: str | None = None,
    states: Sequence[AlertState] = (),
    limit: int = 100,
) -> list[Alert]:
    """Alerts, newest first."""
    query = select(alerts).order_by(alerts.c.at_us.desc(), alerts.c.id.desc()).limit(limit)
    if endpoint is not None:
        query = query.where(alerts.c.endpoint == endpoint)
    if version is not None:
        query = query.where(alerts.c.version == version)
    if states:
        query = query.where(alerts.c.state.in_([state.value for state in states]))
    return [_alert(row) for row in connection.execute(query)]


def _named(key: WatchKey) -> dict[str, str]:
    return {"for_endpoint": key[0], "for_version": key[1], "for_monitor": key[2]}


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        monitor=row.monitor,
        kind=row.kind,
        endpoint=row.endpoint,
        version=row.version,
        state=AlertState(row.state),
        at=from_us(row.at_us),
        change_at=from_us(row.change_at_us) if row.change_at_us is not None else None,
        summary=row.summary,
        findings=tuple(Finding(**finding) for finding in row.findings),
        evidence=row.evidence,
        resolved_at=from_us(row.resolved_at_us) if row.resolved_at_us is not None else None,
        resolution=row.resolution,
    )
