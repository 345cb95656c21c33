"""Uploads in parts, and the parts that have come, in SQL."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, delete, select

from tidewheel.storage import schema

WHOLE = 0  # the number under which a completed upload keeps what its parts became

uploads = Table(
    "tracking_uploads",
    schema,
    Column("id", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("created_at_us", BigInteger, nullable=False, index=True),
)
parts = Table(
    "tracking_upload_parts",
    schema,
    Column("upload_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that is under way, in so many parts."""

    id: str
    path: str
    parts: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has come; its digest is its ETag."""

    number: int
    digest: str
    size_bytes: int


def add_upload(connection: Connection, upload: Upload, at_us: int) -> None:
    """Write a new upload down."""
    connection.execute(uploads.insert().values(id=upload.id, path=upload.path, parts=upload.parts, created_at_us=at_us))


def find_upload(connection: Connection, upload_id: str) -> Upload | None:
    """The upload of an id, or None if there is none that is under way."""
    if find_whole(connection, upload_id) is not None:
        return None
    row = connection.execute(select(uploads).where(uploads.c.id == upload_id)).first()
    return Upload(row.id, row.path, row.parts) if row else None


def find_whole(connection: Connection, upload_id: str) -> str | None:
    """The digest of what a completed upload made, or None if there is no such upload."""
    query = select(parts.c.digest).where(parts.c.upload_id == upload_id, parts.c.number == WHOLE)
    found: str | None = connection.execute(query).scalar()
    return found


def end_upload(connection: Connection, upload_id: str, whole: Part) -> list[Part] | None:
    """Put the whole in the place of an upload's parts; returns those, or None if it was not under way any more."""
    if find_upload(connection, upload_id) is None:
        return None
    came = list_parts(connection, upload_id)
    connection.execute(delete(parts).where(parts.c.upload_id == upload_id))
    write_part(connection, upload_id, whole)
    return came


def uploads_before(connection: Connection, at_us: int) -> list[str]:
    """The ids of uploads that were begun before an instant."""
    return list(connection.execute(select(uploads.c.id).where(uploads.c.created_at_us < at_us)).scalars())


def write_part(connection: Connection, upload_id: str, part: Part) -> str | None:
    """Keep a part, over a former one of its number; returns the former's digest if it was another."""
    same = (parts.c.upload_id == upload_id) & (parts.c.number == part.number)
    former: str | None = connection.execute(select(parts.c.digest).where(same)).scalar()
    connection.execute(delete(parts).where(same))
    row = {"upload_id": upload_id, "number": part.number, "digest": part.digest, "size_bytes": part.size_bytes}
    connection.execute(parts.insert().values(row))
    return former if former != part.digest else None


def list_parts(connection: Connection, upload_id: str) -> list[Part]:
    """The parts that have come, by number."""
    query = select(parts).where(parts.c.upload_id == upload_id, parts.c.number > WHOLE).order_by(parts.c.number)
    return [Part(row.number, row.digest, row.size_bytes) for row in connection.execute(query)]


def delete_upload(connection: Connection, upload_id: str) -> None:
    """Forget an upload and its parts."""
    connection.execute(delete(parts).where(parts.c.upload_id == upload_id))
    connection.execute(delete(uploads).where(uploads.c.id == upload_id))
