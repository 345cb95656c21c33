"""SQL of webhooks: what each wants to be told of, and how far in the journal it has been told.

The cursor is (`told_seq`, `told_parts`): all entries up to the first are done, and so many events of the next one that
matters. A process that delivers holds a claim on the row, which lapses by itself if the process dies.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, Row, Table, Text, delete, func, or_, select, update

from tidewheel.base.units import from_us, to_us
from tidewheel.registry.webhook_records import Webhook
from tidewheel.storage import Json, schema
from tidewheel.storage.journal import entries

webhooks = Table(
    "registry_webhooks",
    schema,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Json, nullable=False),
    Column("description", Text, nullable=False),
    Column("secret", Text),
    Column("status", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Column("told_seq", BigInteger, nullable=False),
    Column("told_parts", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try_at_us", BigInteger, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_until_us", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook as its deliverer sees it: with its secret and its place in the journal."""

    webhook: Webhook
    secret: str | None
    told_seq: int
    told_parts: int


def add(connection: Connection, webhook: Webhook, secret: str | None) -> None:
    """Write a new webhook down; it is told of what happens from now on."""
    row = {name: getattr(webhook, name) for name in ("id", "name", "url", "events", "description", "status")}
    instants = {"created_at_us": to_us(webhook.created_at), "updated_at_us": to_us(webhook.updated_at)}
    fresh = {"told_seq": head(connection), "told_parts": 0, "tries": 0, "next_try_at_us": 0, "last_error": ""}
    connection.execute(webhooks.insert().values(**row, **instants, **fresh, secret=secret, claimed_until_us=0))


def change(connection: Connection, webhook_id: str, **columns: Any) -> None:
    """Set columns of a webhook."""
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**columns))


def remove(connection: Connection, webhook_id: str) -> None:
    """Forget a webhook."""
    connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


def count(connection: Connection) -> int:
    """How many webhooks there are."""
    return int(connection.execute(select(func.count()).select_from(webhooks)).scalar_one())


def find(connection: Connection, webhook_id: str) -> Subscription | None:
    """The webhook of an id, or None."""
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).first()
    return _subscription(row) if row else None


def list_page(connection: Connection, limit: int, offset: int) -> list[Webhook]:
    """So many webhooks after the offset, newest first."""
    query = select(webhooks).order_by(webhooks.c.created_at_us.desc(), webhooks.c.id.desc())
    return [_subscription(row).webhook for row in connection.execute(query.limit(limit).offset(offset))]


def free(connection: Connection) -> list[Subscription]:
    """The active webhooks that nobody is delivering to and whose next try is not in the future."""
    query = select(webhooks).where(*_free()).order_by(webhooks.c.next_try_at_us)
    return [_subscription(row) for row in connection.execute(query)]


def claim(connection: Connection, webhook_id: str, claimant: str, for_s: float) -> Subscription | None:
    """Take a free webhook for a while, and what it is then; None if another was first."""
    row = {"claimed_by": claimant, "claimed_until_us": _now_us() + int(for_s * 1e6)}
    done = connection.execute(update(webhooks).where(webhooks.c.id == webhook_id, *_free()).values(**row))
    return find(connection, webhook_id) if done.rowcount else None


def settle(connection: Connection, webhook_id: str, claimant: str, **columns: Any) -> bool:
    """Set columns of a webhook if the claim on it still holds; whether it did."""
    mine = (webhooks.c.id == webhook_id) & (webhooks.c.claimed_by == claimant)
    return connection.execute(update(webhooks).where(mine).values(**columns)).rowcount > 0


def head(connection: Connection) -> int:
    """The sequence number of the newest journal entry."""
    return int(connection.execute(select(func.max(entries.c.seq))).scalar() or 0)


def _free() -> tuple[Any, ...]:
    now_us = _now_us()
    unclaimed = or_(webhooks.c.claimed_by.is_(None), webhooks.c.claimed_until_us < now_us)
    return webhooks.c.status == "ACTIVE", webhooks.c.next_try_at_us <= now_us, unclaimed


def _now_us() -> int:
    return time.time_ns() // 1000  # the machine's time: receivers live in it, replays or not


def _subscription(row: Row[Any]) -> Subscription:
    webhook = Webhook(
        id=row.id,
        name=row.name,
        url=row.url,
        events=tuple(row.events),
        status=row.status,
        created_at=from_us(row.created_at_us),
        updated_at=from_us(row.updated_at_us),
        description=row.description,
        has_secret=row.secret is not None,
        tries=row.tries,
        last_error=row.last_error,
    )
    return Subscription(webhook, row.secret, row.told_seq, row.told_parts)
