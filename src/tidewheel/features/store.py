"""All SQL of the features room: the definitions of feature sets, and what has been materialised."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Row, Table, Text, delete, func, insert, select

from tidewheel.base.units import from_us, to_us
from tidewheel.features.records import FeatureSetRecord, Filling
from tidewheel.storage import Json, schema

sets = Table(
    "features_sets",
    schema,
    Column("name", Text, primary_key=True),
    Column("hash", Text, primary_key=True),
    Column("names", Json, nullable=False),
    Column("entities", Json, nullable=False),
    Column("request", Json, nullable=False),
    Column("views", Json, nullable=False),
    Column("sources", Json, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("ix_features_sets_hash", "hash"),
)
fillings = Table(
    "features_fillings",
    schema,
    Column("view_hash", Text, primary_key=True),
    Column("view", Text, nullable=False),
    Column("commit", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("entities", BigInteger, nullable=False),
)


def newest_set(connection: Connection, name: str) -> FeatureSetRecord | None:
    """The definition of a set that was applied last, or None."""
    found = list_sets(connection, name)
    return found[0] if found else None


def find_set(connection: Connection, set_hash: str) -> FeatureSetRecord | None:
    """The definition with a hash, or None."""
    row = connection.execute(select(sets).where(sets.c.hash == set_hash).limit(1)).first()
    return _record(row) if row else None


def list_sets(connection: Connection, name: str | None = None) -> list[FeatureSetRecord]:
    """All definitions, or those of one set, the one applied last first."""
    query = select(sets) if name is None else select(sets).where(sets.c.name == name)
    return [_record(row) for row in connection.execute(query.order_by(sets.c.name, sets.c.revision.desc()))]


def save_set(connection: Connection, record: FeatureSetRecord) -> None:
    """Make a definition the one of its set."""
    newest = connection.execute(select(func.max(sets.c.revision)).where(sets.c.name == record.name)).scalar()
    connection.execute(delete(sets).where(sets.c.name == record.name, sets.c.hash == record.hash))
    connection.execute(
        insert(sets).values(
            name=record.name,
            hash=record.hash,
            names=record.names,
            entities=record.entities,
            request=list(record.request.items()),
            views=record.views,
            sources=record.sources,
            plan_digest=record.plan_digest,
            created_at_us=to_us(record.created_at),
            revision=(newest or 0) + 1,
        )
    )


def save_filling(connection: Connection, filling: Filling) -> None:
    """Note the last materialisation of a view."""
    connection.execute(delete(fillings).where(fillings.c.view_hash == filling.view_hash))
    connection.execute(
        insert(fillings).values(
            view_hash=filling.view_hash,
            view=filling.view,
            commit=filling.commit,
            at_us=to_us(filling.at),
            events=filling.events,
            entities=filling.entities,
        )
    )


def list_fillings(connection: Connection) -> list[Filling]:
    """The last materialisation of each view."""
    return [
        Filling(row.view, row.view_hash, row.commit, from_us(row.at_us), row.events, row.entities)
        for row in connection.execute(select(fillings).order_by(fillings.c.view, fillings.c.at_us.desc()))
    ]


def _record(row: Row[Any]) -> FeatureSetRecord:
    return FeatureSetRecord(
        name=row.name,
        hash=row.hash,
        names=tuple(row.names),
        entities=tuple(row.entities),
        request=dict(row.request),
        views=tuple(row.views),
        sources=tuple(row.sources),
        plan_digest=row.plan_digest,
        created_at=from_us(row.created_at_us),
    )
