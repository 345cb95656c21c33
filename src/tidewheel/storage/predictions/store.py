"""The prediction log's tables: how far each consumer has read, which sealed segments are in Delta, which had to go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

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


expired_rows = Table(
    "storage_log_expired",
    schema,
    Column("stem", Text, primary_key=True),
    Column("records", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("in_history", Boolean, nullable=False),
    Column("entry_id", Text, nullable=False),
)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Expired:
    """A segment that had to go before everybody had read it. `in_history`: its records are in Delta all the same."""

    stem: str
    records: int
    """Those that are lost, or, in history, those that some consumer has not read."""
    size_bytes: int
    in_history: bool


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


def compacted_stems(connection: Connection, kind: str) -> set[str]:
    """The segments of a kind that are in Delta and not forgotten."""
    mine = (segment_rows.c.kind == kind) & segment_rows.c.compacted_at_us.is_not(None)
    return set(connection.scalars(select(segment_rows.c.stem).where(mine)))


def forget_segments(
    connection: Connection, predictions: Collection[str], labels_before_us: int, present: Collection[str]
) -> set[str]:
    """Forget segments of predictions by name, and those of labels by when they came to Delta; return what is kept.

    The last batch of a kind is kept, or its number would be given again and taken for written already; so are the
    `present` ones, which would be taken for new.
    """
    numbers = segment_rows.alias()
    newest = select(func.max(numbers.c.batch)).where(numbers.c.kind == segment_rows.c.kind).scalar_subquery()
    kept = set(connection.scalars(select(segment_rows.c.stem).where(segment_rows.c.batch == newest))) | set(present)
    old_labels = (segment_rows.c.kind == "labels") & (segment_rows.c.compacted_at_us < labels_before_us)
    gone = {*predictions, *connection.scalars(select(segment_rows.c.stem).where(old_labels))} - kept
    for start in range(0, len(gone), _AT_ONCE):
        part = sorted(gone)[start : start + _AT_ONCE]
        connection.execute(delete(segment_rows).where(segment_rows.c.stem.in_(part)))
    return kept


def add_expired(connection: Connection, expired: Sequence[Expired], entry_id: str) -> None:
    """Note segments that have to go; from then on their files may be removed."""
    connection.execute(insert(expired_rows), [{**asdict(each), "entry_id": entry_id} for each in expired])


def settle_expired(connection: Connection, stems: Sequence[str]) -> None:
    """Forget segments whose files are gone, but for those that a batch on its way to Delta still names."""
    planned_stems = select(segment_rows.c.stem).where(segment_rows.c.compacted_at_us.is_(None))
    for start in range(0, len(stems), _AT_ONCE):
        part = expired_rows.c.stem.in_(stems[start : start + _AT_ONCE])
        connection.execute(delete(expired_rows).where(part, expired_rows.c.stem.not_in(planned_stems)))


def all_expired(connection: Connection) -> list[Expired]:
    """The segments that had to go and are not settled."""
    columns = (expired_rows.c.stem, expired_rows.c.records, expired_rows.c.size_bytes, expired_rows.c.in_history)
    return [Expired(*row) for row in connection.execute(select(*columns))]
