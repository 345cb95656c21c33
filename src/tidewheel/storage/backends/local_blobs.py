"""Blobs in a local folder: `ab/cdef…`, each file named by its BLAKE3.

A blob is written to a temporary name, synced, and renamed, so a digest's file is whole or absent.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from tidewheel.base.errors import Corrupt, InvalidInput, NotFound, Unavailable
from tidewheel.base.hashing import hash_bytes, hash_file


class LocalBlobs:
    """Implements `storage.contracts.Blobs` in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_url(cls, url: str) -> LocalBlobs:
        """Open the folder of a `file://` address."""
        return cls(Path(unquote(urlsplit(url).path)))

    def put(self, data: bytes) -> str:
        digest = hash_bytes(data)
        if not self.has(digest):
            with self._writing(self._path(digest)) as file:
                file.write(data)
        return digest

    def put_file(self, path: Path) -> str:
        digest = hash_file(path)
        if not self.has(digest):
            with path.open("rb") as source, self._writing(self._path(digest)) as file:
                shutil.copyfileobj(source, file, 1 << 20)
        return digest

    def get(self, digest: str) -> bytes:
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise self._missing(digest) from None
        if hash_bytes(data) != digest:
            raise self._damaged(digest)
        return data

    def fetch(self, digest: str, target: Path) -> Path:
        source = self._path(digest)
        if not source.exists():
            raise self._missing(digest)
        partial = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, partial)
            whole = hash_file(partial) == digest
            if whole:
                partial.replace(target)
        except OSError as error:
            raise Unavailable(f"A blob could not be copied to {target}: {error}.", fix="Check disk space.") from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        if not whole:
            raise self._damaged(digest)
        return target

    def has(self, digest: str) -> bool:
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise InvalidInput(f"{digest!r} is not a BLAKE3 digest.", fix="It must be 64 hex digits.")
        return self._folder / digest[:2] / digest[2:]

    @contextmanager
    def _writing(self, target: Path) -> Iterator[IO[bytes]]:
        handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            target.parent.mkdir(exist_ok=True)
            Path(name).replace(target)
        except OSError as error:
            Path(name).unlink(missing_ok=True)
            raise Unavailable(
                f"A blob could not be written to {self._folder}: {error}.", fix="Check disk space."
            ) from error

    def _missing(self, digest: str) -> NotFound:
        return NotFound(f"There is no blob {digest}.", where=str(self._folder))

    def _damaged(self, digest: str) -> Corrupt:
        return Corrupt(f"The blob {digest} is damaged.", where=str(self._path(digest)), fix="Restore it from a backup.")
