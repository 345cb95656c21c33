"""The prediction log's tables: how far each consumer has read, and which sealed segments are in Delta."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, delete, func, insert, select, update

from tidewheel.storage.metadata_schema import Json, schema

cursors = Table(
    "storage_log_cursors",
    schema,
    Column("consumer", Text, primary_key=True),
    Column("cursor", Json, nullable=False),
)
segment_rows = Table(
    "storage_log_segments",
    schema,
    Column("stem", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("compacted_at_us", BigInteger),
)


def load_cursor(connection: Connection, consumer: str) -> dict[str, int] | None:
    """The cursor that a consumer saved last, or None."""
    cursor: dict[str, int] | None = connection.scalar(select(cursors.c.cursor).where(cursors.c.consumer == consumer))
    return cursor


def save_cursor(connection: Connection, consumer: str, cursor: dict[str, int]) -> None:
    """Keep a consumer's cursor, in the transaction of what it made of the batch."""
    mine = cursors.c.consumer == consumer
    if not connection.execute(update(cursors).where(mine).values(cursor=cursor)).rowcount:
        connection.execute(insert(cursors).values(consumer=consumer, cursor=cursor))


def forget_consumer(connection: Connection, consumer: str) -> None:
    """A consumer that will not read again no longer holds segments back."""
    connection.execute(delete(cursors).where(cursors.c.consumer == consumer))


def all_cursors(connection: Connection) -> list[dict[str, int]]:
    """The cursors of all consumers."""
    return list(connection.scalars(select(cursors.c.cursor)))


def planned(connection: Connection, kind: str) -> dict[int, list[str]]:
    """The batches of segments that were planned and are not yet known to be in Delta, by number."""
    mine = (segment_rows.c.kind == kind) & segment_rows.c.compacted_at_us.is_(None)
    batches: dict[int, list[str]] = {}
    for row in connection.execute(select(segment_rows).where(mine).order_by(segment_rows.c.batch, segment_rows.c.stem)):
        batches.setdefault(row.batch, []).append(row.stem)
    return batches


def plan_batch(connection: Connection, kind: str, stems: Sequence[str]) -> int:
    """Number the next batch of a kind; numbers only rise, which is what makes the write to Delta idempotent."""
    last = connection.scalar(select(func.max(segment_rows.c.batch)).where(segment_rows.c.kind == kind))
    number = (last or 0) + 1
    connection.execute(insert(segment_rows), [{"stem": stem, "kind": kind, "batch": number} for stem in stems])
    return number


def finish_batch(connection: Connection, kind: str, number: int, at_us: int) -> None:
    """Note that a batch is in Delta."""
    mine = (segment_rows.c.kind == kind) & (segment_rows.c.batch == number)
    connection.execute(update(segment_rows).where(mine).values(compacted_at_us=at_us))


def known_stems(connection: Connection, stems: Sequence[str]) -> dict[str, bool]:
    """Those of the segments that were planned or compacted; True for the ones in Delta."""
    query = select(segment_rows.c.stem, segment_rows.c.compacted_at_us).where(segment_rows.c.stem.in_(stems))
    return {row.stem: row.compacted_at_us is not None for row in connection.execute(query)}
