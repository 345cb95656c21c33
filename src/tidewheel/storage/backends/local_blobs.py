"""Blobs in a local folder: `ab/cdef…`, each file named by its BLAKE3.

A blob is written to a temporary name in `incoming/`, synced, and renamed, so a digest's file is whole or absent. What a
killed writer left in `incoming/` is swept at the first opening after a day: no upload pauses that long.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import unquote, urlsplit

from blake3 import blake3

from tidewheel.base.errors import Corrupt, InvalidInput, NotFound, Unavailable
from tidewheel.base.hashing import hash_bytes, hash_file

_PIECE_BYTES = 1 << 20
_ABANDONED_S = 24 * 3600
_DIGEST = re.compile("[0-9a-f]{64}")


class LocalBlobs:
    """Implements `storage.contracts.Blobs` in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        _sweep(self._incoming, time.time() - _ABANDONED_S)

    @classmethod
    def from_url(cls, url: str) -> LocalBlobs:
        """Open the folder of a `file://` address."""
        return cls(Path(unquote(urlsplit(url).path)))

    def put(self, data: bytes) -> str:
        digest = hash_bytes(data)
        if not self.has(digest):
            with self.writer() as writer:
                writer.write(data)
                writer.commit()
        return digest

    def put_file(self, path: Path) -> str:
        digest = hash_file(path)
        if self.has(digest):
            return digest
        with path.open("rb") as source, self.writer() as writer:
            while piece := source.read(_PIECE_BYTES):
                writer.write(piece)
            return writer.commit()[0]

    def writer(self) -> LocalBlobWriter:
        return LocalBlobWriter(self._folder, self._incoming)

    def get(self, digest: str) -> bytes:
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise self._missing(digest) from None
        if hash_bytes(data) != digest:
            raise self._damaged(digest)
        return data

    def open(self, digest: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        size = self.size_bytes(digest)
        end = size if stop is None else min(stop, size)
        return self._checked(digest) if start == 0 and end == size else self._part(digest, start, end)

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

    def size_bytes(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise self._missing(digest) from None

    def remove(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def _checked(self, digest: str) -> Iterator[bytes]:
        hasher = blake3()
        held = b""
        with self._reading(digest) as file:
            while piece := file.read(_PIECE_BYTES):
                if held:
                    yield held
                hasher.update(piece)
                held = piece
        if hasher.hexdigest() != digest:
            raise self._damaged(digest)
        if held:
            yield held

    def _part(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        with self._reading(digest) as file:
            file.seek(start)
            while start < end and (piece := file.read(min(_PIECE_BYTES, end - start))):
                start += len(piece)
                yield piece

    @contextmanager
    def _reading(self, digest: str) -> Iterator[IO[bytes]]:
        try:
            with self._path(digest).open("rb") as file:
                yield file
        except FileNotFoundError:
            raise self._missing(digest) from None
        except OSError as error:
            raise Unavailable(f"The blob {digest} cannot be read: {error}.", fix="Check the disk.") from error

    def _path(self, digest: str) -> Path:
        return _path(self._folder, digest)

    def _missing(self, digest: str) -> NotFound:
        return NotFound(f"There is no blob {digest}.", where=str(self._folder))

    def _damaged(self, digest: str) -> Corrupt:
        return Corrupt(f"The blob {digest} is damaged.", where=str(self._path(digest)), fix="Restore it from a backup.")


class LocalBlobWriter:
    """Implements `storage.contracts.BlobWriter`: a temporary file that becomes a blob when it is committed."""

    def __init__(self, folder: Path, incoming: Path) -> None:
        self._folder = folder
        self._hasher = blake3()
        self._size_bytes = 0
        try:
            handle, name = tempfile.mkstemp(dir=incoming)
        except OSError as error:
            raise _unwritten(folder, error) from error
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._name: Path | None = Path(name)

    def write(self, data: bytes) -> None:
        self._hasher.update(data)
        rest = memoryview(data)
        self._size_bytes += len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _unwritten(self._folder, error) from error

    def commit(self) -> tuple[str, int]:
        if self._name is None:
            raise RuntimeError("a blob is committed once")
        digest = self._hasher.hexdigest()
        target = _path(self._folder, digest)
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            target.parent.mkdir(exist_ok=True)
            self._name.replace(target)
        except OSError as error:
            raise _unwritten(self._folder, error) from error
        self._name = None
        return digest, self._size_bytes

    def __enter__(self) -> LocalBlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()
        if self._name is not None:
            self._name.unlink(missing_ok=True)
            self._name = None


def _path(folder: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"{digest!r} is not a BLAKE3 digest.", fix="It must be 64 hex digits.")
    return folder.joinpath(digest[:2], digest[2:])


def _sweep(incoming: Path, before_s: float) -> None:
    for left in incoming.iterdir():
        with suppress(OSError):  # another opener may be sweeping, or its writer ending
            if left.stat().st_mtime < before_s:
                left.unlink()


def _unwritten(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"A blob could not be written to {folder}: {error.strerror or error}.", fix="Check disk space and permissions."
    )
