"""What a storage backend must guarantee. One contract test-suite (`tests/contracts/`) runs against every backend.

Common to all three: an object may be used from many threads and opened by many processes at once; what a method has
acknowledged survives `kill -9` of the process; a failing backend raises `Unavailable` (it may be tried again) or
`Corrupt` (it may not), never a library's own error; a missing name raises `NotFound`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Blobs(Protocol):
    """Immutable bytes named by their BLAKE3. Putting what is already there is cheap and changes nothing.

    However large the bytes are, memory is not: files and pieces are streamed. A writer that dies leaves no half blob.
    """

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest (64 hex digits)."""

    def put_file(self, path: Path) -> str:
        """Store a file's bytes, streamed, and return their digest."""

    def writer(self) -> BlobWriter:
        """A blob that comes in pieces, as an upload does."""

    def get(self, digest: str) -> bytes:
        """The bytes of a digest, checked against it."""

    def open(self, digest: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a digest in pieces of about a MiB.

        Read whole, they are checked: the last piece is held back until the digest is known to be right, and `Corrupt`
        is raised in its place. A part (``start <= position < stop``) cannot be checked, and is not. A missing digest
        raises when it is asked for, not when it is read.
        """

    def fetch(self, digest: str, target: Path) -> Path:
        """Write the bytes of a digest to `target`, checked, streamed and atomically."""

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are here."""

    def size_bytes(self, digest: str) -> int:
        """How many bytes a digest has."""

    def remove(self, digest: str) -> None:
        """Forget bytes, if they are here. The caller must know that nobody else holds or is putting the same."""


class BlobWriter(Protocol):
    """A blob on its way in. Used as a context manager: what is not committed when the block ends is forgotten.

    Belongs to one task at a time, but each call may come from another thread.
    """

    def write(self, data: bytes) -> None:
        """Add a piece."""

    def commit(self) -> tuple[str, int]:
        """Make the pieces a blob; returns its digest and its size in bytes."""

    def __enter__(self) -> BlobWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One immutable version of a table, as its log tells it. `number` counts from 0; `at` is the platform's time."""

    number: int
    at: datetime
    operation: str
    metadata: Mapping[str, str]


class Tables(Protocol):
    """Versioned columnar tables. A write is one atomic version; readers never see half of one; versions stay readable
    until the table is told to expire rows.

    A writer that lost a race tries again by itself where that is safe (append) and raises `Conflict` where it is not.
    `once=(writer, sequence)` makes a write idempotent: a repeat with a sequence not above the last one of that writer
    is not made, and the version already there is returned.
    """

    def append(
        self,
        name: str,
        rows: pa.Table,
        *,
        at: datetime,
        metadata: Mapping[str, str] | None = None,
        once: tuple[str, int] | None = None,
    ) -> TableVersion:
        """Add rows, creating the table if missing, and return the new version. New columns are null before it."""

    def overwrite(
        self, name: str, rows: pa.Table, *, at: datetime, metadata: Mapping[str, str] | None = None
    ) -> TableVersion:
        """Replace all rows by these, as a new version."""

    def read(
        self,
        name: str,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        since: tuple[str, datetime] | None = None,
        until: tuple[str, datetime] | None = None,
    ) -> pa.Table:
        """The rows of a version (default: the latest). `since` / `until` = (timestamp column, instant) keep
        ``since <= value < until`` and are pushed down to the files."""

    def expire(self, name: str, before: tuple[str, datetime], *, at: datetime, grace_hours: int = 1) -> int:
        """Forget the rows whose (timestamp column, instant) lies before, for good, and return how many those were.

        Versions from before that can no longer be read. The space is free `grace_hours` later, when a reader that had
        begun is done: at the next call from then on. Repeating a call, or going on after one that was killed, is safe;
        a table that is not there has nothing to forget.
        """

    def version(self, name: str, number: int | None = None, *, at: datetime | None = None) -> TableVersion:
        """One version: by number, the last made not after `at`, or the latest."""

    def versions(self, name: str, limit: int = 100) -> list[TableVersion]:
        """The versions of a table, newest first."""

    def names(self) -> list[str]:
        """The tables there are, sorted."""


class KeyValue(Protocol):
    """Ordered byte keys and values, for online features: reads take microseconds and never wait for a writer."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, in their order, from one snapshot."""

    def put_many(self, items: Mapping[bytes, bytes]) -> None:
        """Write all items, or none."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All items whose key begins with a prefix, in key order."""

    def update_many(self, keys: Sequence[bytes], change: Change) -> None:
        """Read-modify-write in one exclusive transaction: `change(key, value or None)`, called in the order of
        `keys`, returns the new value, or None to delete. Of two processes at one key neither loses its change."""

    def delete_prefix(self, prefix: bytes) -> None:
        """Remove all items whose key begins with a prefix."""


class Change(Protocol):
    """The function that `KeyValue.update_many` applies to each key."""

    def __call__(self, key: bytes, value: bytes | None, /) -> bytes | None: ...
