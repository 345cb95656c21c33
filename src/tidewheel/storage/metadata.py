"""The relational store: SQLite (WAL) by default, PostgreSQL by address. The only place that opens transactions.

Three ways in, so that the right one is the easy one:
- `read()`      a snapshot; changes nothing.
- `change()`    a change of state; it must emit at least one journal entry, which commits with it or not at all.
- `record()`    a measurement or a heartbeat (metric points, sketches, leases): durable, but no change of state.

Writers are serialised (SQLite's `BEGIN IMMEDIATE`, PostgreSQL's advisory lock in `change`), so a reader of the
journal's head never races another. Nothing acknowledged is lost by `kill -9`: the write-ahead log belongs to the
operating system.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import ConnectionPoolEntry

from tidewheel.base.clock import Clock
from tidewheel.base.errors import Corrupt, InvalidInput, Unavailable
from tidewheel.base.hashing import canonical_json
from tidewheel.base.ids import new_id
from tidewheel.storage import journal
from tidewheel.storage.prepared import Prepared

_BUSY_TIMEOUT_MS = 30_000
_SETTING = "storage.metadata_url"
_WRITERS_AT_ONCE = 8  # of one process, on PostgreSQL: half of the connections that its pool may open
_JOURNAL_LOCK = 7_600_001  # any constant: names the journal's advisory lock in PostgreSQL
_HEAD = Prepared(
    sa.select(journal.entries.c.seq, journal.entries.c.hash).order_by(journal.entries.c.seq.desc()).limit(sa.literal(1))
)
_ADD_ENTRY = Prepared(  # its JSON comes as text: what was hashed is what is kept
    sa.insert(journal.entries).values({name: sa.bindparam(name, type_=sa.Text) for name in ("inputs", "data")}),
    journal.entries.c.keys(),
)
_ADD_EDGE = Prepared(postgresql.insert(journal.edges).on_conflict_do_nothing(), journal.edges.c.keys())
_LOCK_JOURNAL = Prepared(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(_JOURNAL_LOCK))))


class Change:
    """An open change of state: execute statements, then emit what happened."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self._clock = clock
        self._head: tuple[int, str] | None = None

    def execute(self, statement: sa.Executable, parameters: Any = None) -> sa.CursorResult[Any]:
        """Run a statement in this transaction."""
        return self.connection.execute(statement, parameters)

    def emit(
        self,
        kind: str,
        subject: str,
        data: Mapping[str, Any] | None = None,
        *,
        inputs: Sequence[str] = (),
        cause: str | None = None,
    ) -> str:
        """Append a journal entry and return its id.

        `kind` is `room.noun.verbed`; `subject` and `inputs` are nodes (`version:ver_…`); `cause` defaults to the entry
        that the surrounding `acting` block names.
        """
        seq, prev_hash = self._head or self._read_head()
        fields: dict[str, Any] = {
            "seq": seq + 1,
            "id": new_id("evt"),
            "at_us": self._clock.now_us(),
            "recorded_at_us": time.time_ns() // 1000,
            "actor": journal.current_actor(),
            "kind": kind,
            "subject": subject,
            "cause": cause or journal.current_cause(),
        }
        written = canonical_json(list(inputs))
        told = canonical_json(json.loads(canonical_json(dict(data or {}))))  # as it will be read, or the hash differs
        digest = journal.entry_hash(fields, written, told, prev_hash)
        _ADD_ENTRY.run(self.connection, **fields, inputs=written, data=told, prev_hash=prev_hash, hash=digest)
        for source in dict.fromkeys(inputs):
            _ADD_EDGE.run(self.connection, source=source, target=subject, entry_id=fields["id"])
        self._head = (seq + 1, digest)
        return str(fields["id"])

    @property
    def emitted(self) -> bool:
        """Whether anything has been said yet."""
        return self._head is not None

    def _read_head(self) -> tuple[int, str]:
        row = _HEAD.first(self.connection)
        return (row[0], row[1]) if row else (0, journal.GENESIS)


class Metadata:
    """A database of metadata. May be shared by threads; many processes may open the same address."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self._clock = clock
        self.engine = _open_engine(url)
        self._writer = self.engine.execution_options(tidewheel_writes=True)
        self._turn = self._queue()
        _opened.add(self)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot to read from."""
        with _explained(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # otherwise each statement would see a snapshot of its own
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def record(self) -> Iterator[Connection]:
        """A write transaction for measurements, which leave no journal entry."""
        with _explained(), self._writing() as connection:
            yield connection

    @contextmanager
    def change(self, *, actor: str | None = None, cause: str | None = None) -> Iterator[Change]:
        """A write transaction for a change of state.

        Raises:
            RuntimeError: if the block ends without having emitted an entry; nothing is then written.
        """
        with _explained(), journal.acting(actor=actor, cause=cause), self._writing() as connection:
            if self.engine.dialect.name == "postgresql":
                _LOCK_JOURNAL.all(connection)
            change = Change(connection, self._clock)
            yield change
            if not change.emitted:
                raise RuntimeError("a change of state must emit a journal entry")

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._in_turn(), self._writer.begin() as connection:
            yield connection

    def _queue(self) -> threading.Lock | threading.Semaphore:
        """Where the writers of this process queue.

        SQLite lets one in and the others poll; here they come in their order. On PostgreSQL each waits for the
        journal's lock with a connection in its hand: were they all of the pool's, none would be left for the one that
        has the lock and must read besides.
        """
        return threading.Lock() if self.engine.dialect.name == "sqlite" else threading.Semaphore(_WRITERS_AT_ONCE)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=_BUSY_TIMEOUT_MS / 1000):
            raise Unavailable("Another write to the metadata database goes on and on.", fix="Try again.")
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()


def _after_fork_in_child() -> None:
    """Two processes cannot share a connection: the child opens its own, and leaves the parent's untouched."""
    for metadata in list(_opened):
        _parents.append(metadata.engine.pool)
        metadata.engine.dispose(close=False)
        metadata._turn = metadata._queue()


_opened: weakref.WeakSet[Metadata] = weakref.WeakSet()
_parents: list[Any] = []  # held, since a pool that is collected closes its connections
os.register_at_fork(after_in_child=_after_fork_in_child)


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file."""
    return f"sqlite:///{path}"


def _open_engine(url: str) -> Engine:
    if url.startswith(("postgres://", "postgresql://")):
        return _create_engine("postgresql+psycopg://" + url.split("://", 1)[1], pool_pre_ping=True)
    engine = _create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_engine(url: str, **options: Any) -> Engine:
    try:
        # Who was used last is taken first: pages that are cached, and statements prepared, are a connection's own.
        return sa.create_engine(url, pool_use_lifo=True, **options)
    except ModuleNotFoundError as error:
        remedy = "pip install 'tidewheel[postgres]'" if error.name == "psycopg" else f"pip install {error.name}"
        raise Unavailable(
            f"This database needs the package {error.name}, which is not installed.", where=_SETTING, fix=remedy
        ) from None
    except (sa.exc.ArgumentError, ValueError, TypeError):  # without the address: it may hold a password
        raise InvalidInput(
            "The metadata database's address cannot be read.",
            where=_SETTING,
            fix="Write it as postgresql://USER:PASSWORD@HOST/DATABASE, or leave it empty for SQLite.",
        ) from None


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where the driver guesses
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA case_sensitive_like = ON")  # as PostgreSQL's


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read later is what gives "database is locked".
    writes = connection.get_execution_options().get("tidewheel_writes")
    driver: Any = connection.connection.driver_connection  # past SQLAlchemy, which takes ten times as long for it
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


_TOO_MUCH = ("too many SQL variables", "too complex", "tables in a join", "tree is too large", "number of parameters")


@contextmanager
def _explained() -> Iterator[None]:
    """Turns the database's errors into Tidewheel's."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError, sqlite3.OperationalError) as error:
        told = str(getattr(error, "orig", error))
        if any(words in told for words in _TOO_MUCH):
            raise InvalidInput(f"This asks too much at once: {told}.", fix="Name fewer things, or shorter.") from error
        raise Unavailable(
            f"The metadata database did not answer: {told}.",
            fix="Check storage.metadata_url and disk space.",
        ) from error
    except (sa.exc.DataError, OverflowError, UnicodeEncodeError) as error:
        raise InvalidInput(
            f"A value cannot be stored: {getattr(error, 'orig', error)}.",
            fix="Numbers must fit 64 bits and text must be Unicode.",
        ) from error
    except sa.exc.DatabaseError as error:
        if type(error) is not sa.exc.DatabaseError:
            raise
        raise Corrupt(f"The metadata database is damaged: {error.orig}.", fix="Restore it from a backup.") from error
