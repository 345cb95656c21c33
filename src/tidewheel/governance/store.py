"""All SQL of the room: its tokens, and walks over the journal's edges (read only)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Row, Table, Text, insert, select, update

from tidewheel.base.units import from_us, to_us
from tidewheel.governance.records import LineageEdge, Token
from tidewheel.storage import schema
from tidewheel.storage.journal import edges, entries

_AT_ONCE = 500

tokens = Table(
    "governance_tokens",
    schema,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_us", BigInteger),
    Column("revoked_at_us", BigInteger),
)


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token and the hash that its secret must have."""

    token: Token
    secret_hash: bytes


def add_token(connection: Connection, token: Token, secret_hash: bytes) -> None:
    """Keep a token, with the hash of its secret."""
    connection.execute(
        insert(tokens).values(
            id=token.id,
            name=token.name,
            role=token.role,
            secret_hash=secret_hash,
            created_at_us=to_us(token.created_at),
            created_by=token.created_by,
            expires_at_us=to_us(token.expires_at) if token.expires_at else None,
        )
    )


def find_token(connection: Connection, token_id: str) -> KeptToken | None:
    """The token of an id, or None."""
    row = connection.execute(select(tokens).where(tokens.c.id == token_id)).first()
    return KeptToken(_token(row), row.secret_hash) if row else None


def list_tokens(connection: Connection) -> list[Token]:
    """All tokens that were ever made, newest first."""
    return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.id.desc()))]


def has_tokens(connection: Connection) -> bool:
    """Whether a token is in force; one that has merely expired still is, or the door would open when it runs out."""
    return connection.execute(select(tokens.c.id).where(tokens.c.revoked_at_us.is_(None)).limit(1)).first() is not None


def revoke_token(connection: Connection, token_id: str, at: datetime) -> None:
    """End a token."""
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at_us=to_us(at)))


def edges_beside(connection: Connection, nodes: Sequence[str], *, up: bool) -> list[LineageEdge]:
    """The edges that lead into these nodes (up: where they came from) or out of them (down)."""
    side = edges.c.target if up else edges.c.source
    found: list[LineageEdge] = []
    for start in range(0, len(nodes), _AT_ONCE):
        query = (
            select(edges, entries.c.kind.label("entry_kind"))
            .join(entries, entries.c.id == edges.c.entry_id)
            .where(side.in_(nodes[start : start + _AT_ONCE]))
            .order_by(entries.c.seq)
        )
        rows = connection.execute(query)
        found.extend(LineageEdge(row.source, row.target, row.entry_id, row.entry_kind) for row in rows)
    return found


def newest_entry_id(connection: Connection, subject: str) -> str | None:
    """The id of the last entry about a node."""
    query = select(entries.c.id).where(entries.c.subject == subject).order_by(entries.c.seq.desc()).limit(1)
    found: str | None = connection.scalar(query)
    return found


def first_entry_id(connection: Connection, subject: str) -> str | None:
    """The id of the first entry about a node: the one that made it."""
    query = select(entries.c.id).where(entries.c.subject == subject).order_by(entries.c.seq).limit(1)
    found: str | None = connection.scalar(query)
    return found


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        role=row.role,
        created_at=from_us(row.created_at_us),
        created_by=row.created_by,
        expires_at=None if row.expires_at_us is None else from_us(row.expires_at_us),
        revoked_at=None if row.revoked_at_us is None else from_us(row.revoked_at_us),
    )
