"""All SQL of monitoring: watches and their state, minute sketches, alerts, and evidence over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    delete,
    insert,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.monitoring.records import Alert, AlertState, EvidencePoint, Finding, Reading
from tidewheel.storage import Change, Json, schema

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
    Column("state", Json),
    Column("reading", Json),
)
sketches = Table(
    "monitoring_sketches",
    schema,
    Column("endpoint", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("minute_us", BigInteger, primary_key=True),
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


def insert_watches(change: Change, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the watches of one version."""
    change.execute(insert(watches), list(rows))


def delete_watches(change: Change, endpoint: str) -> None:
    """Forget the watches of an endpoint, and the sketches that only they read."""
    change.execute(delete(watches).where(watches.c.endpoint == endpoint))


def all_watches(connection: Connection) -> list[Row[Any]]:
    """Every watch, in the order of its declaration."""
    order = (watches.c.endpoint, watches.c.version, watches.c.position)
    return list(connection.execute(select(watches).order_by(*order)))


def save_watch(
    connection: Connection, key: tuple[str, str, str], state: dict[str, Any] | None, reading: Reading
) -> None:
    """Keep how a watch stands; its state too unless None (unchanged)."""
    values: dict[str, Any] = {"reading": asdict(reading)}
    if state is not None:
        values["state"] = state
    mine = (watches.c.endpoint == key[0]) & (watches.c.version == key[1]) & (watches.c.monitor == key[2])
    connection.execute(update(watches).where(mine).values(**values))


def read_sketches(
    connection: Connection, endpoint: str, version: str, since_us: int, until_us: int
) -> list[tuple[int, bytes]]:
    """(minute, counts) of the minutes in [since, until), in order."""
    mine = (sketches.c.endpoint == endpoint) & (sketches.c.version == version)
    span = (sketches.c.minute_us >= since_us) & (sketches.c.minute_us < until_us)
    query = select(sketches.c.minute_us, sketches.c.counts).where(mine, span).order_by(sketches.c.minute_us)
    return [(row.minute_us, row.counts) for row in connection.execute(query)]


def put_sketches(connection: Connection, endpoint: str, version: str, minutes: dict[int, bytes]) -> None:
    """Replace the sketches of these minutes."""
    if not minutes:
        return
    mine = (sketches.c.endpoint == endpoint) & (sketches.c.version == version)
    connection.execute(delete(sketches).where(mine, sketches.c.minute_us.in_(list(minutes))))
    rows = [
        {"endpoint": endpoint, "version": version, "minute_us": minute, "counts": counts}
        for minute, counts in minutes.items()
    ]
    connection.execute(insert(sketches), rows)


def add_evidence(connection: Connection, endpoint: str, points: Iterable[EvidencePoint]) -> None:
    """Keep points of evidence; one an instant and monitor."""
    for point in points:
        mine = (evidence.c.endpoint == endpoint) & (evidence.c.monitor == point.monitor)
        same = mine & (evidence.c.at_us == to_us(point.at))
        values = {"log_evidence": point.log_evidence, "log_threshold": point.log_threshold}
        if connection.execute(update(evidence).where(same).values(**values)).rowcount == 0:
            row = {"endpoint": endpoint, "monitor": point.monitor, "at_us": to_us(point.at), **values}
            connection.execute(insert(evidence).values(**row))


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


def set_alert_state(change: Change, alert_id: str, state: AlertState, at_us: int | None, resolution: str) -> None:
    """Note what has become of an alert."""
    values = {"state": state.value, "resolved_at_us": at_us, "resolution": resolution}
    change.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


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
