"""Artifacts in SQL: one row a path. A folder is not a row but a range of paths, so none can be left empty or behind.

The range of `a/b` is ``a/b/ <= path < a/b0``: ``0`` is the character after ``/``. That needs paths to be ordered by
their bytes, which SQLite does and PostgreSQL does in the collation "C".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    delete,
    func,
    or_,
    select,
    true,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import schema
from tidewheel.storage.prepared import Prepared, Row
from tidewheel.tracking.records import Artifact, FileInfo

PATH = Text().with_variant(Text(collation="C"), "postgresql")
_PAGE = 500

artifacts = Table(
    "tracking_artifacts",
    schema,
    Column("path", PATH, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
_EVERY = Prepared(select(artifacts).order_by(artifacts.c.path))
_AT = Prepared(select(artifacts).where(artifacts.c.path == bindparam("exactly")))
_BELOW = Prepared(
    select(artifacts)
    .where(artifacts.c.path >= bindparam("low"), artifacts.c.path < bindparam("high"))
    .order_by(artifacts.c.path)
)


def write_artifacts(connection: Connection, kept: Sequence[Artifact]) -> None:
    """Keep artifacts, over those of the same path."""
    for start in range(0, len(kept), _PAGE):
        page = kept[start : start + _PAGE]
        connection.execute(delete(artifacts).where(artifacts.c.path.in_([artifact.path for artifact in page])))
        rows = [
            {"path": a.path, "digest": a.digest, "size_bytes": a.size_bytes, "at_us": to_us(a.at)} for a in page
        ]  # fmt: skip
        connection.execute(artifacts.insert(), rows)


def find_artifact(connection: Connection, path: str) -> Artifact | None:
    """The artifact of a path, or None."""
    row = _AT.first(connection, exactly=path)
    return _artifact(row) if row else None


def is_file(connection: Connection, paths: Sequence[str]) -> str | None:
    """The first of the paths that is an artifact, or None."""
    for start in range(0, len(paths), _PAGE):
        among = artifacts.c.path.in_(paths[start : start + _PAGE])
        found: str | None = connection.execute(
            select(artifacts.c.path).where(among).order_by(artifacts.c.path).limit(1)
        ).scalar()
        if found is not None:
            return found
    return None


def is_folder(connection: Connection, paths: Sequence[str]) -> str | None:
    """One of the paths that artifacts lie below, or None."""
    for start in range(0, len(paths), _PAGE):
        page = paths[start : start + _PAGE]
        below = connection.execute(select(artifacts.c.path).where(or_(*map(_below, page))).limit(1)).scalar()
        if below is not None:
            return next(path for path in page if not path or below.startswith(f"{path}/"))
    return None


def list_below(connection: Connection, folder: str) -> list[Artifact]:
    """All artifacts below a folder, however deep, by path."""
    rows = _BELOW.all(connection, low=f"{folder}/", high=f"{folder}0") if folder else _EVERY.all(connection)
    return [_artifact(row) for row in rows]


def size_below(connection: Connection, folder: str) -> tuple[int, int]:
    """How many files, of how many bytes, lie below a folder, however deep."""
    query = select(func.count(), func.coalesce(func.sum(artifacts.c.size_bytes), 0)).where(_below(folder))
    files, size_bytes = connection.execute(query).one()
    return files, int(size_bytes)


def list_folder(connection: Connection, folder: str) -> list[FileInfo]:
    """The files and folders one level below a folder, by path; what lies deeper is stepped over, not read."""
    return sorted(_children(connection, folder), key=lambda child: child.path)


def delete_artifacts(connection: Connection, path: str) -> list[str]:
    """Forget the artifact of a path, or all below it; returns their paths."""
    condition = (artifacts.c.path == path) | _below(path)
    gone = connection.execute(select(artifacts.c.path).where(condition).order_by(artifacts.c.path)).scalars().all()
    connection.execute(delete(artifacts).where(condition))
    return list(gone)


def _artifact(row: Row) -> Artifact:
    path, digest, size_bytes, at_us = row
    return Artifact(path, digest, size_bytes, from_us(at_us))


def _children(connection: Connection, folder: str) -> Iterator[FileInfo]:
    prefix = f"{folder}/" if folder else ""
    position = prefix
    while True:
        query = (
            select(artifacts.c.path, artifacts.c.size_bytes)
            .where(_below(folder), artifacts.c.path >= position)
            .order_by(artifacts.c.path)
            .limit(_PAGE)
        )
        rows = connection.execute(query).all()
        for path, size_bytes in rows:
            if path < position:
                continue
            name, deeper, _ = path[len(prefix) :].partition("/")
            if deeper:
                yield FileInfo(prefix + name, True, None)
                position = f"{prefix}{name}0"
            else:
                yield FileInfo(path, False, size_bytes)
                position = path + "\x01"
        if len(rows) < _PAGE:
            return


def _below(folder: str) -> ColumnElement[bool]:
    return (artifacts.c.path >= f"{folder}/") & (artifacts.c.path < f"{folder}0") if folder else true()
