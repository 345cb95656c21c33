"""Where files of a batch job lie: local paths and `s3://` addresses, through Arrow's file systems.

A file appears whole or not at all: locally by a rename after it is on the disk, on S3 because an upload that is not
completed leaves no object. S3 takes its address and keys from the environment, as everywhere (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tidewheel.base.errors import InvalidInput, Unavailable

_GLOB = "*?["


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as it lies there, to tell whether it is still the same."""

    path: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Place:
    """A path of a file system, and the address that a person calls it by."""

    address: str
    filesystem: Any
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return "://" not in self.address

    def within(self, name: str) -> Place:
        """A file of this folder."""
        return Place(f"{self.address}/{name}", self.filesystem, f"{self.path}/{name}")

    def beside(self, name: str) -> Place:
        """A file of the same folder."""
        address, path = self.address.rpartition("/")[0], self.path.rpartition("/")[0]
        return Place(f"{address}/{name}", self.filesystem, f"{path}/{name}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether a file lies here."""
        with _said(self.address):
            return bool(self.filesystem.get_file_info(self.path).is_file)

    def is_folder(self) -> bool:
        """Whether there are files below."""
        from pyarrow.fs import FileType

        with _said(self.address):
            return bool(self.filesystem.get_file_info(self.path).type == FileType.Directory)

    def files(self) -> list[FileFacts]:
        """The file that lies here, the files of this folder, or those that match a pattern, by name."""
        from pyarrow.fs import FileSelector

        with _said(self.address):
            if any(sign in self.path for sign in _GLOB):
                folder, _, pattern = self.path.rpartition("/")
                found = self.filesystem.get_file_info(FileSelector(folder, allow_not_found=True))
                found = [info for info in found if fnmatchcase(info.base_name, pattern)]
            elif self.is_folder():
                found = self.filesystem.get_file_info(FileSelector(self.path))
                found = [info for info in found if not info.base_name.startswith((".", "_"))]
            else:
                found = [self.filesystem.get_file_info(self.path)]
        return sorted(
            (FileFacts(info.path, info.size, info.mtime_ns or 0) for info in found if info.is_file),
            key=lambda facts: facts.path,
        )

    def read(self) -> bytes:
        """The bytes of the file."""
        with _said(self.address), self.filesystem.open_input_stream(self.path) as stream:
            return bytes(stream.read())

    def write(self, data: Any) -> None:
        """Make the file of bytes or an Arrow buffer."""
        with self.writing() as stream:
            stream.write(data)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A stream whose bytes become the file when the block ends well; the file before it stays until then."""
        path = f"{self.path}.partial" if self.is_local else self.path
        with _said(self.address):
            if self.is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            stream = self.filesystem.open_output_stream(path, compression=None)
        try:
            with _said(self.address), stream:
                yield stream
        except BaseException:
            self.filesystem.delete_file(path)  # closing completes an upload to S3, which must not pass for the whole
            raise
        if self.is_local:
            _sync(path)
            Path(path).replace(self.path)

    def delete(self) -> None:
        """Remove the file, or the folder with what is in it; it may be gone already."""
        with _said(self.address):
            if self.is_folder():
                self.filesystem.delete_dir(self.path)
            elif self.is_file():
                self.filesystem.delete_file(self.path)


def place_of(address: str) -> Place:
    """The place that an address names.

    Raises:
        InvalidInput: if it is neither a path nor an `s3://` address.
    """
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" not in address:
        path = str(Path(address).absolute())
        return Place(path, LocalFileSystem(), path)
    if not address.startswith("s3://"):
        raise InvalidInput(f"{address!r} is no place for files.", fix="Give a local path or s3://BUCKET/KEY.")
    try:
        filesystem, path = FileSystem.from_uri(address.rstrip("/"))
    except (ArrowException, OSError) as error:
        raise InvalidInput(f"{address!r} cannot be opened: {error}.", fix="Look at the AWS_ variables.") from None
    return Place(address.rstrip("/"), filesystem, path)


def refuse_overlap(source: Place, target: Place) -> None:
    """Refuse a target that is what is read, a file of it, or a folder around it: writing it would destroy the source.

    Raises:
        InvalidInput: if they overlap, also by a link.
    """
    if source.is_local != target.is_local:
        return
    to = _real(target, target.path)
    read = {_real(source, path) for path in (source.path, *(facts.path for facts in source.files()))}
    if to in read or any(path.startswith(f"{to}/") for path in read):
        raise InvalidInput(
            f"{target.address} is what is scored, and would be written over.", where="target", fix="Give another name."
        )


def _real(place: Place, path: str) -> str:
    return os.path.realpath(path) if place.is_local else path


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _said(address: str) -> Iterator[None]:
    """Say of an object store that does not answer, or a disk that is full, which place it was."""
    try:
        yield
    except OSError as error:
        fix = "Look at the AWS_ variables and your rights." if "://" in address else "Look at the disk and your rights."
        raise Unavailable(f"{error}.", where=address, fix=fix) from error
