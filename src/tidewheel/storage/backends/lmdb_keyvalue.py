"""Online features in LMDB: a memory-mapped B+tree that many processes read in about two microseconds without a lock.

Implements `storage.contracts.KeyValue`; opened by `open_backend`. Commits are not synced to the disk: they survive
`kill -9` of any process, since the pages belong to the operating system, but not a power cut. What is stored here can
be computed again from the datasets, and waiting for the disk would cost milliseconds for each push.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import lmdb

from tidewheel.base.errors import Corrupt, InvalidInput, Unavailable
from tidewheel.storage.contracts import Change

_MAP_BYTES = 16 * 2**30  # address space, not disk: the file grows as it is filled
_READERS = 1022
_SCAN_ITEMS = 1000
_DAMAGED = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.VersionMismatchError)

# LMDB allows a process one environment for a file. A forked child must not touch its parent's: it opens its own.
_environments: dict[str, lmdb.Environment] = {}
_inherited: list[lmdb.Environment] = []
_opening = threading.Lock()


class LmdbKeyValue:
    """Implements `storage.contracts.KeyValue` in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = os.path.realpath(folder)
        self._environment()

    @classmethod
    def from_url(cls, url: str) -> LmdbKeyValue:
        """Open the folder of an `lmdb://` address."""
        return cls(Path(unquote(urlsplit(url).path)))

    def get(self, key: bytes) -> bytes | None:
        with self._transaction() as transaction:
            return transaction.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._transaction() as transaction:
            return [transaction.get(key) for key in keys]

    def put_many(self, items: Mapping[bytes, bytes]) -> None:
        with self._transaction(write=True) as transaction:
            for key, value in items.items():
                transaction.put(key, value)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        after: bytes | None = None
        while page := self._page(prefix, after):
            yield from page
            after = page[-1][0]

    def update_many(self, keys: Sequence[bytes], change: Change) -> None:
        with self._transaction(write=True) as transaction:
            for key in keys:
                value = change(key, transaction.get(key))
                if value is None:
                    transaction.delete(key)
                else:
                    transaction.put(key, value)

    def delete_prefix(self, prefix: bytes) -> None:
        with self._transaction(write=True) as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(prefix) if prefix else cursor.first()
            while found and cursor.key().startswith(prefix):
                found = cursor.delete()

    def _page(self, prefix: bytes, after: bytes | None) -> list[tuple[bytes, bytes]]:
        """The next items of a scan. Each page is its own snapshot, so that a scan left unfinished pins nothing."""
        page: list[tuple[bytes, bytes]] = []
        with self._transaction() as transaction:
            cursor = transaction.cursor()
            start = prefix if after is None else after + b"\0"
            found = cursor.set_range(start) if start else cursor.first()
            while found and cursor.key().startswith(prefix) and len(page) < _SCAN_ITEMS:
                page.append(cursor.item())
                found = cursor.next()
        return page

    @contextmanager
    def _transaction(self, write: bool = False) -> Iterator[lmdb.Transaction[bytes]]:
        try:
            with self._environment().begin(write=write, buffers=False) as transaction:
                yield transaction
        except lmdb.BadValsizeError as error:
            raise InvalidInput("A key is empty or longer than 511 bytes.", where=self._path) from error
        except _DAMAGED as error:
            raise Corrupt(
                f"The online store is damaged: {error}.", where=self._path, fix="Delete it and materialize again."
            ) from error
        except lmdb.Error as error:
            raise Unavailable(
                f"The online store did not answer: {error}.", where=self._path, fix="Check disk space."
            ) from error

    def _environment(self) -> lmdb.Environment:
        return _environments.get(self._path) or _open_environment(self._path)


def _open_environment(path: str) -> lmdb.Environment:
    with _opening:
        if path not in _environments:
            try:
                opened = lmdb.open(path, map_size=_MAP_BYTES, max_readers=_READERS, sync=False)
            except _DAMAGED as error:
                raise Corrupt(
                    f"The online store is damaged: {error}.", where=path, fix="Delete it and materialize again."
                ) from error
            except lmdb.Error as error:
                raise Unavailable(f"The online store cannot be opened: {error}.", where=path) from error
            opened.reader_check()  # frees the slots of readers that were killed
            _environments[path] = opened
        return _environments[path]


def _forget_inherited() -> None:
    _inherited.extend(_environments.values())  # held, so that they are never closed here
    _environments.clear()


os.register_at_fork(after_in_child=_forget_inherited)
