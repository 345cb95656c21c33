"""Artifacts' verbs: files under paths, in one namespace that the MLflow wire, runs and logged models share.

`app.py` constructs it; `Tracking` keeps a run's artifacts with it, the server's MLflow wire puts and gives out files.
Bytes are blobs, so the same file kept twice is stored once. What a registered version consists of is readable below
``versions/<version_id>/`` and cannot be written there. No file is ever held in memory whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.base.units import from_us
from tidewheel.storage import Blobs, BlobWriter, Change, Metadata
from tidewheel.tracking import artifact_store, artifact_uris
from tidewheel.tracking.artifact_paths import check_path, join_path
from tidewheel.tracking.records import Artifact, FileInfo

VERSIONS = "versions"
Kept = list[Artifact]  # below, `list` is a verb of the class
Listing = list[FileInfo]


class VersionFiles(Protocol):
    """The seam to the registry: the files of a registered version, by relative path, with their digests."""

    def __call__(self, version_id: str, /) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An artifact to read from."""

    path: str
    digest: str
    size_bytes: int
    _blobs: Blobs

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes in pieces, checked if they are read whole; see `storage.contracts.Blobs.open`."""
        return self._blobs.open(self.digest, start, stop)

    def fetch(self, target: Path) -> Path:
        """Write it to a file, checked against its BLAKE3."""
        return self._blobs.fetch(self.digest, target)


class Artifacts:
    """Keeps files under paths."""

    def __init__(self, metadata: Metadata, blobs: Blobs, clock: Clock, versions: VersionFiles | None = None) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._versions = versions

    def put(self, path: str, source: Path | bytes) -> Kept:
        """Keep bytes, a file, or each file of a folder, over what was kept under the same path.

        Raises:
            InvalidInput: if a path could lead out of the namespace, or a link in the folder leads out of it.
        """
        now = from_us(self._clock.now_us())
        if isinstance(source, bytes):
            check_path(path)
            return self._write([Artifact(path, self._blobs.put(source), len(source), now)])
        files = [(check_path(name), file) for name, file in _files(source, path)]
        return self._write([Artifact(n, self._blobs.put_file(file), file.stat().st_size, now) for n, file in files])

    def writer(self, path: str) -> ArtifactWriter:
        """An artifact that comes in pieces; it is there, whole, once it is committed."""
        refuse_versions(check_path(path))
        with self._metadata.read() as connection:
            _refuse_file_as_folder(connection, [path])
        return ArtifactWriter(self, path, self._blobs.writer())

    def keep(self, path: str, digest: str, size_bytes: int) -> Artifact:
        """Give a path to bytes that are a blob already."""
        now = from_us(self._clock.now_us())
        return self._write([Artifact(check_path(path), digest, size_bytes, now)])[0]

    def open(self, path: str) -> StoredFile:
        """An artifact to read.

        Raises:
            NotFound: if nothing is kept under the path, or a folder is.
        """
        version_id, name = _in_version(path)
        if version_id:
            digest = self._version(version_id).get(name)
            if digest is not None:
                return StoredFile(path, digest, self._blobs.size_bytes(digest), self._blobs)
        else:
            with self._metadata.read() as connection:
                found = artifact_store.find_artifact(connection, path)
            if found is not None:
                return StoredFile(path, found.digest, found.size_bytes, self._blobs)
        raise NotFound(f"No artifact is kept at {path!r}.", fix="List the folder above it to see what is.")

    @door("GET", "/tracking/artifacts")
    def list(self, path: str = "") -> Listing:
        """The files and folders one level below a folder; nothing for a file or what is not there."""
        version_id, name = _in_version(path)
        if version_id:
            return _children(path, name, {n: self._blobs.size_bytes(d) for n, d in self._version(version_id).items()})
        with self._metadata.read() as connection:
            return artifact_store.list_folder(connection, path)

    def below(self, path: str) -> Kept:
        """All artifacts below a folder, however deep, by path."""
        with self._metadata.read() as connection:
            return artifact_store.list_below(connection, path)

    def sizes(self, folders: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """How many files, of how many bytes, lie below each of many folders."""
        with self._metadata.read() as connection:
            return {folder: artifact_store.size_below(connection, folder) for folder in folders}

    @door("POST", "/tracking/artifacts/delete")
    def delete(self, path: str) -> None:
        """Forget the artifact of a path, or all below it. Their bytes stay while anything else holds them."""
        refuse_versions(check_path(path))
        with self._metadata.change() as change:
            gone = artifact_store.delete_artifacts(change.connection, path)
            if not gone:
                raise NotFound(f"No artifact is kept at {path!r}.", fix="List the folder above it to see what is.")
            node, _ = artifact_uris.owner(change.connection, gone[0])
            change.emit("tracking.artifact.deleted", node, {"artifacts": gone})

    def files_of(self, uri: str) -> dict[str, str]:
        """The digests of the files at an address, by path relative to it; a single file goes by its own name.

        Takes ``runs:/RUN/path``, ``mlflow-artifacts:/path``, this server's proxy addresses and ``models:/m-…``.

        Raises:
            InvalidInput: if the address is not one of Tidewheel's.
            NotFound: if nothing is kept there.
        """
        with self._metadata.read() as connection:
            path = artifact_uris.resolve(connection, uri)
            version_id, _ = _in_version(path)
            if version_id:
                kept = {join_path(VERSIONS, version_id, n): d for n, d in self._version(version_id).items()}
            else:
                found = artifact_store.find_artifact(connection, path)
                files = [found] if found else artifact_store.list_below(connection, path)
                kept = {artifact.path: artifact.digest for artifact in files}
        if path in kept:
            return {path.rpartition("/")[2]: kept[path]}
        below = {p.removeprefix(f"{path}/"): digest for p, digest in kept.items() if p.startswith(f"{path}/")}
        if not below and not uri.startswith("models:"):  # a logged model may be registered before its files come
            raise NotFound(f"No artifact is kept at {uri!r}.", fix="Log the model or the files first.")
        return below

    def _version(self, version_id: str) -> Mapping[str, str]:
        if self._versions is None:
            raise NotFound(f"No artifact is kept at {join_path(VERSIONS, version_id)!r}.")
        return self._versions(version_id)

    def _write(self, kept: Kept) -> Kept:
        with self._metadata.change() as change:
            write(change, kept)
        return kept


class ArtifactWriter:
    """An artifact on its way in. What is not committed when the block ends is forgotten."""

    def __init__(self, artifacts: Artifacts, path: str, blob: BlobWriter) -> None:
        self._artifacts = artifacts
        self._path = path
        self._blob = blob

    def write(self, data: bytes) -> None:
        """Add a piece."""
        self._blob.write(data)

    def commit(self) -> Artifact:
        """Keep what has been written."""
        return self._artifacts.keep(self._path, *self._blob.commit())

    def __enter__(self) -> ArtifactWriter:
        self._blob.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blob.__exit__(kind, error, trace)


def write(change: Change, kept: Sequence[Artifact]) -> None:
    """Give paths to blobs, within a change of the caller's.

    Raises:
        InvalidInput: if a path belongs to the registry.
        Conflict: if a folder of a path is a file, or a path is a folder.
    """
    paths = [artifact.path for artifact in kept]
    for path in paths:
        refuse_versions(path)
    _refuse_file_as_folder(change.connection, paths)
    artifact_store.write_artifacts(change.connection, kept)
    facts: dict[str, dict[str, str]] = {}
    for artifact, (node, name) in zip(kept, artifact_uris.owners(change.connection, paths), strict=True):
        facts.setdefault(node, {})[name] = artifact.digest
    for node, digests in facts.items():
        change.emit("tracking.artifact.logged", node, {"artifacts": digests})


def _files(source: Path, path: str) -> list[tuple[str, Path]]:
    if not source.exists():
        raise NotFound("There is no file to keep.", where=str(source))
    if source.is_file():
        return [(path, source)]
    files = [
        (join_path(path, Path(folder, name).relative_to(source).as_posix()), Path(folder, name))
        for folder, folders, names in os.walk(source)
        for name in sorted(names) + [linked for linked in folders if Path(folder, linked).is_symlink()]
    ]
    if not files:
        raise InvalidInput("The folder to keep is empty.", where=str(source))
    for _, file in files:
        _refuse_way_out(source, file)
    return files


def _refuse_way_out(folder: Path, file: Path) -> None:
    if file.is_symlink() and not (file.is_file() and file.resolve().is_relative_to(folder.resolve())):
        raise InvalidInput(
            "The folder to keep holds a link to a folder, to nothing, or out of it.",
            where=str(file),
            fix="Replace the link by what it stands for, or keep that by its own path.",
        )


def refuse_versions(path: str) -> None:
    """Refuse a path that nobody but the registry may give files to."""
    if path == VERSIONS or path.startswith(f"{VERSIONS}/"):
        raise InvalidInput(
            f"{path[:80]!r} belongs to the registry and is only for reading.", fix="Choose another path, or register."
        )


def _refuse_file_as_folder(connection: Connection, paths: Sequence[str]) -> None:
    above = {path[:end] for path in paths for end, letter in enumerate(path) if letter == "/"}
    file = artifact_store.is_file(connection, sorted(above))
    if file is not None:
        raise Conflict(f"{file!r} is a file, so nothing can be kept below it.", fix="Delete it, or use another path.")
    folder = artifact_store.is_folder(connection, paths)
    if folder is not None:
        raise Conflict(f"{folder!r} is a folder, so no file can be kept there.", fix="Delete it, or use another path.")


def _in_version(path: str) -> tuple[str, str]:
    """The version id and the path within, of a path below `versions/`; else two empty texts."""
    root, _, rest = path.partition("/")
    version_id, _, name = rest.partition("/")
    return (version_id, name) if root == VERSIONS else ("", "")


def _children(path: str, folder: str, sizes: Mapping[str, int]) -> list[FileInfo]:
    prefix = f"{folder}/" if folder else ""
    found: dict[str, FileInfo] = {}
    for name, size_bytes in sizes.items():
        if name.startswith(prefix):
            child, deeper, _ = name[len(prefix) :].partition("/")
            found[child] = FileInfo(join_path(path, child), bool(deeper), None if deeper else size_bytes)
    return [found[child] for child in sorted(found)]
