"""Leases: a name that at most one holder has at a time, kept in the metadata database.

The controller leads by one, and a pipeline run belongs to the process that holds its lease. A holder that dies stops
renewing, and another takes over when the lease has run out. Wall-clock time, never the replay clock: a lease is about
processes. Emits nothing: who leads is not a change of state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Table, Text, delete, update

from tidewheel.base.ids import ulid
from tidewheel.storage.conflicts import insert_into
from tidewheel.storage.metadata import Metadata
from tidewheel.storage.metadata_schema import schema

leases = Table(
    "storage_leases",
    schema,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease; hand it to `renew` and `release`."""

    name: str
    holder: str


class Leases:
    """Grants leases. Clocks of machines that share a database must agree to well within the lease's length."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def acquire(self, name: str, length_s: float) -> Lease | None:
        """Take the lease if it is free or has run out, else return None."""
        now_us, holder = time.time_ns() // 1000, ulid()
        mine = {"holder": holder, "expires_at_us": now_us + round(length_s * 1e6)}
        with self._metadata.record() as connection:
            taken = insert_into(connection, leases).values(name=name, **mine)
            # In one statement: of two that find no lease, or the same old one, one gets it.
            taken = taken.on_conflict_do_update(
                index_elements=[leases.c.name], set_=mine, where=leases.c.expires_at_us < now_us
            )
            changed = connection.execute(taken, execution_options={"preserve_rowcount": True}).rowcount
        return Lease(name, holder) if changed == 1 else None

    def renew(self, lease: Lease, length_s: float) -> bool:
        """Hold on for another `length_s`; False if the lease has gone to someone else."""
        until_us = time.time_ns() // 1000 + round(length_s * 1e6)
        with self._metadata.record() as connection:
            mine = (leases.c.name == lease.name) & (leases.c.holder == lease.holder)
            return connection.execute(update(leases).where(mine).values(expires_at_us=until_us)).rowcount == 1

    def release(self, lease: Lease) -> None:
        """Give the lease back, if it is still held."""
        with self._metadata.record() as connection:
            connection.execute(delete(leases).where(leases.c.name == lease.name, leases.c.holder == lease.holder))
