"""All SQL of the room. Items are kept by hour, so that their number follows the number of subjects, not of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Float, Table, Text, insert, select, update

from tidewheel.base.units import from_us, to_us
from tidewheel.costs.records import PRICES, CostItem, CostKind
from tidewheel.storage import Json, schema
from tidewheel.storage.journal import edges, entries

_HOUR_US = 3_600_000_000
_AT_ONCE = 500

items = Table(
    "costs_items",
    schema,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("hour_at_us", BigInteger, primary_key=True),
    Column("quantity", Float, nullable=False),
    Column("cost_usd", Float, nullable=False),
)
readings = Table(
    "costs_readings",
    schema,
    Column("source", Text, primary_key=True),
    Column("reading", Json, nullable=False),
)


def add_item(
    connection: Connection, kind: CostKind, subject: str, at: datetime, quantity: float, cost_usd: float
) -> None:
    """Add to what a subject used in the hour of `at`."""
    hour_at_us = to_us(at) // _HOUR_US * _HOUR_US
    mine = (items.c.kind == kind) & (items.c.subject == subject) & (items.c.hour_at_us == hour_at_us)
    more = {"quantity": items.c.quantity + quantity, "cost_usd": items.c.cost_usd + cost_usd}
    if not connection.execute(update(items).where(mine).values(**more)).rowcount:
        new = {"kind": kind, "subject": subject, "hour_at_us": hour_at_us}
        connection.execute(insert(items).values(**new, quantity=quantity, cost_usd=cost_usd))


def list_items(connection: Connection, since: datetime | None, until: datetime | None) -> list[CostItem]:
    """The items of the hours that touch a span of time."""
    query = select(items).order_by(items.c.hour_at_us)
    if since is not None:
        query = query.where(items.c.hour_at_us > to_us(since) - _HOUR_US)
    if until is not None:
        query = query.where(items.c.hour_at_us < to_us(until))
    return [
        CostItem(row.kind, row.subject, from_us(row.hour_at_us), row.quantity, PRICES[row.kind].unit, row.cost_usd)
        for row in connection.execute(query)
    ]


def load_reading(connection: Connection, source: str) -> dict[str, Any]:
    """What a meter showed last; empty the first time."""
    return connection.scalar(select(readings.c.reading).where(readings.c.source == source)) or {}


def save_reading(connection: Connection, source: str, reading: Mapping[str, Any]) -> None:
    """Keep what a meter shows now, in the transaction of what was added for it."""
    mine = readings.c.source == source
    if not connection.execute(update(readings).where(mine).values(reading=dict(reading))).rowcount:
        connection.execute(insert(readings).values(source=source, reading=dict(reading)))


def turns_of_runs(connection: Connection, runs: Sequence[str]) -> dict[str, str]:
    """The turn (`turn:…`) that each pipeline run was made for, by the journal's edges."""
    found: dict[str, str] = {}
    for start in range(0, len(runs), _AT_ONCE):
        mine = edges.c.source.in_(runs[start : start + _AT_ONCE]) & edges.c.target.startswith("turn:")
        found |= {row.source: row.target for row in connection.execute(select(edges).where(mine))}
    return found


def loops_of_turns(connection: Connection, turns: Sequence[str]) -> dict[str, str]:
    """The loop (`loop:…`) that each turn belongs to."""
    found: dict[str, str] = {}
    for start in range(0, len(turns), _AT_ONCE):
        mine = entries.c.subject.in_(turns[start : start + _AT_ONCE]) & (entries.c.kind == "loop.turn.started")
        rows = connection.execute(select(entries.c.subject, entries.c.data).where(mine))
        found |= {row.subject: f"loop:{row.data['loop']}" for row in rows}
    return found


def loops_of_endpoints(connection: Connection) -> dict[str, str]:
    """The loop that each endpoint belongs to; the last declaration counts."""
    query = (
        select(entries.c.subject, entries.c.data).where(entries.c.kind == "loop.loop.declared").order_by(entries.c.seq)
    )
    return {f"endpoint:{row.data['endpoint']}": row.subject for row in connection.execute(query)}
