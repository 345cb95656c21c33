"""The journal: an append-only, hash-chained record of every change of state. Audit, lineage and delivery metrics are
read from it.

Entries are written only by `metadata.Change.emit`, in the transaction of the change that they record. Each entry
carries the id of its cause, so that "why did this happen" is a walk along the chain, and may name the `inputs` its
subject came from, which are the edges of lineage. Nodes are written `kind:id`, as in `version:ver_01j…` or
`commit:rides@4`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Row, Table, Text, or_, select

from tidewheel.base.doors import Role
from tidewheel.base.hashing import canonical_json, hash_bytes
from tidewheel.base.units import from_us
from tidewheel.storage.metadata_schema import Json, schema

GENESIS = "0" * 64

entries = Table(
    "journal_entries",
    schema,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("at_us", BigInteger, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("cause", Text),
    Column("inputs", Json, nullable=False),
    Column("data", Json, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_journal_entries_subject_seq", "subject", "seq"),
    Index("ix_journal_entries_kind_seq", "kind", "seq"),
)
edges = Table(
    "journal_edges",
    schema,
    Column("source", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("entry_id", Text, nullable=False),
    Index("ix_journal_edges_target", "target"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: what happened (`kind`) to what (`subject`), when, by whom, why (`cause`), from what (`inputs`).

    `at` is the platform's time, which may be replayed; `recorded_at` is always the machine's.
    """

    seq: int
    id: str
    at: datetime
    recorded_at: datetime
    actor: str
    kind: str
    subject: str
    cause: str | None
    inputs: tuple[str, ...]
    data: dict[str, Any]
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """The first link of the chain that does not hold, and how."""

    seq: int
    id: str
    reason: str


_actor: ContextVar[str] = ContextVar("tidewheel_actor", default="local")
_cause: ContextVar[str | None] = ContextVar("tidewheel_cause", default=None)
_role: ContextVar[Role] = ContextVar("tidewheel_role", default="admin")


@contextmanager
def acting(*, actor: str | None = None, cause: str | None = None, role: Role | None = None) -> Iterator[None]:
    """Within the block, entries are written in the name of `actor`, who has `role`, and because of entry `cause`."""
    actor_token = _actor.set(actor or _actor.get())
    cause_token = _cause.set(cause or _cause.get())
    role_token = _role.set(role or _role.get())
    try:
        yield
    finally:
        _actor.reset(actor_token)
        _cause.reset(cause_token)
        _role.reset(role_token)


def current_actor() -> str:
    """In whose name changes are made here."""
    return _actor.get()


def current_role() -> Role:
    """How far the caller reaches here; who works on the machine itself is its owner."""
    return _role.get()


def current_cause() -> str | None:
    """Because of which journal entry changes are made here, if any."""
    return _cause.get()


def read_entries(
    connection: Connection,
    *,
    after: int = 0,
    kinds: Sequence[str] = (),
    subject: str | None = None,
    newest_first: bool = False,
    limit: int = 1000,
) -> list[Entry]:
    """Entries above sequence number `after`. A kind that ends in a dot takes all below it (`rollout.`)."""
    query = select(entries).where(entries.c.seq > after)
    if kinds:
        below = [entries.c.kind.startswith(kind, autoescape=True) for kind in kinds if kind.endswith(".")]
        query = query.where(or_(entries.c.kind.in_(kinds), *below))
    if subject is not None:
        query = query.where(entries.c.subject == subject)
    order = entries.c.seq.desc() if newest_first else entries.c.seq
    return [_entry(row) for row in connection.execute(query.order_by(order).limit(limit))]


def find_entry(connection: Connection, entry_id: str) -> Entry | None:
    """The entry of an id, or None."""
    row = connection.execute(select(entries).where(entries.c.id == entry_id)).first()
    return _entry(row) if row else None


def verify_chain(connection: Connection) -> tuple[int, Break | None]:
    """How many entries hold from the beginning, and the first break if there is one.

    Each entry's hash must be that of its content and its predecessor's hash, and numbers must follow without a gap.
    """
    expected_seq, prev_hash, count = 1, GENESIS, 0
    for row in connection.execute(select(entries).order_by(entries.c.seq)):
        if row.seq != expected_seq:
            return count, Break(row.seq, row.id, f"entry {expected_seq} is missing")
        if row.prev_hash != prev_hash:
            return count, Break(row.seq, row.id, "it does not continue the entry before it")
        if row.hash != entry_hash(row._mapping, canonical_json(row.inputs), canonical_json(row.data), prev_hash):
            return count, Break(row.seq, row.id, "its content is not what was hashed")
        expected_seq, prev_hash, count = row.seq + 1, row.hash, count + 1
    return count, None


def entry_hash(fields: Any, inputs: str, data: str, prev_hash: str) -> str:
    """BLAKE3 over the predecessor's hash and the entry's content: a list in canonical JSON, whose last two fields come
    as such already.
    """
    names = ("seq", "id", "at_us", "recorded_at_us", "actor", "kind", "subject", "cause")
    rest = canonical_json([fields[name] for name in names])[1:-1]
    return hash_bytes(f"{prev_hash}[{rest},{inputs},{data}]".encode())


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        seq=row.seq,
        id=row.id,
        at=from_us(row.at_us),
        recorded_at=from_us(row.recorded_at_us),
        actor=row.actor,
        kind=row.kind,
        subject=row.subject,
        cause=row.cause,
        inputs=tuple(row.inputs),
        data=row.data,
        prev_hash=row.prev_hash,
        hash=row.hash,
    )
