"""Multipart uploads: a large artifact comes in parts, at once and in any order, and is there when it is completed.

The server's MLflow wire is the caller. A part is a blob that begins with the name of its upload, so no other blob can
have its digest, and it may be removed when the upload ends. An upload older than a day is forgotten when another
begins; until then one that was completed is known, so that a client whose answer was lost may ask again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from types import TracebackType

from tidewheel.base.clock import Clock
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.units import from_us
from tidewheel.storage import Blobs, BlobWriter, Metadata
from tidewheel.tracking import artifact_store, multipart_store
from tidewheel.tracking.artifact_paths import check_path
from tidewheel.tracking.artifacts import refuse_versions, write
from tidewheel.tracking.multipart_store import Part, Upload
from tidewheel.tracking.records import Artifact

MAX_PARTS = 10_000
_ABANDONED_US = 24 * 3600 * 1_000_000


class MultipartUploads:
    """Keeps uploads that are under way."""

    def __init__(self, metadata: Metadata, blobs: Blobs, clock: Clock) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock

    def create(self, path: str, parts: int) -> Upload:
        """Begin the upload of an artifact in so many parts, numbered from 1."""
        if not 1 <= parts <= MAX_PARTS:
            raise InvalidInput(f"An upload has 1 to {MAX_PARTS} parts, not {parts}.", fix="Send larger parts.")
        now_us = self._clock.now_us()
        with self._metadata.read() as connection:
            abandoned = multipart_store.uploads_before(connection, now_us - _ABANDONED_US)
        for upload_id in abandoned:
            self._forget(upload_id)
        refuse_versions(check_path(path))
        upload = Upload(f"upl_{secrets.token_hex(24)}", path, parts)
        with self._metadata.record() as connection:
            multipart_store.add_upload(connection, upload, now_us)
        return upload

    def part_writer(self, upload_id: str, number: int) -> PartWriter:
        """A part that comes in pieces."""
        upload = self._upload(upload_id)
        if not 1 <= number <= upload.parts:
            raise InvalidInput(f"There is no part {number} of {upload.parts}.", fix="Parts are numbered from 1.")
        return PartWriter(self, upload_id, number, self._blobs.writer())

    def keep_part(self, upload_id: str, part: Part) -> None:
        """Note a part that has come, over a former one of its number."""
        with self._metadata.record() as connection:
            ended = multipart_store.find_upload(connection, upload_id) is None
            former = part.digest if ended else multipart_store.write_part(connection, upload_id, part)
        if former is not None:
            self._blobs.remove(former)
        if ended:
            raise _no_upload(upload_id)

    def complete(self, upload_id: str, path: str, etags: Sequence[tuple[int, str]]) -> Artifact:
        """Make the parts an artifact, in the order of their numbers; asked again, say the same while that is kept.

        Raises:
            InvalidInput: if a part is missing, or is not the one that its ETag names.
        """
        with self._metadata.read() as connection:
            upload = multipart_store.find_upload(connection, upload_id)
            parts = multipart_store.list_parts(connection, upload_id)
        if upload is None or upload.path != path:
            return self._completed(upload_id, path)
        named = {number: etag.strip('"') for number, etag in etags}
        if named != {part.number: part.digest for part in parts} or len(parts) != upload.parts:
            raise InvalidInput(
                f"The upload has {upload.parts} parts, of which {len(parts)} have come; {len(named)} were named, "
                "or an ETag is another.",
                fix="Send each part, and name each with the ETag that it was answered with.",
            )
        try:
            artifact = Artifact(path, *self._join(upload_id, parts), from_us(self._clock.now_us()))
            self._end(upload_id, artifact)
        except NotFound:  # another call was first, and may have removed parts that were being read
            return self._completed(upload_id, path)
        return artifact

    def _join(self, upload_id: str, parts: Sequence[Part]) -> tuple[str, int]:
        with self._blobs.writer() as blob:
            for part in parts:
                for piece in self._pieces(upload_id, part):
                    blob.write(piece)
            return blob.commit()

    def _end(self, upload_id: str, artifact: Artifact) -> None:
        with self._metadata.change() as change:
            whole = Part(multipart_store.WHOLE, artifact.digest, artifact.size_bytes)
            came = multipart_store.end_upload(change.connection, upload_id, whole)
            if came is None:
                raise _no_upload(upload_id)
            write(change, [artifact])
        for part in came:
            self._blobs.remove(part.digest)

    def _completed(self, upload_id: str, path: str) -> Artifact:
        with self._metadata.read() as connection:
            digest = multipart_store.find_whole(connection, upload_id)
            kept = artifact_store.find_artifact(connection, path)
        if digest is None or kept is None or kept.digest != digest:
            raise _no_upload(upload_id)
        return kept

    def abort(self, upload_id: str, path: str) -> None:
        """Forget an upload and its parts."""
        self._upload(upload_id, path)
        self._forget(upload_id)

    def _upload(self, upload_id: str, path: str | None = None) -> Upload:
        with self._metadata.read() as connection:
            found = multipart_store.find_upload(connection, upload_id)
        if found is None or path not in (None, found.path):
            raise _no_upload(upload_id)
        return found

    def _forget(self, upload_id: str) -> None:
        with self._metadata.record() as connection:
            parts = multipart_store.list_parts(connection, upload_id)
            multipart_store.delete_upload(connection, upload_id)
        for part in parts:
            self._blobs.remove(part.digest)

    def _pieces(self, upload_id: str, part: Part) -> Iterator[bytes]:
        skip = len(_head(upload_id, part.number))
        for piece in self._blobs.open(part.digest):
            yield piece[skip:]
            skip = 0


class PartWriter:
    """A part on its way in. What is not committed when the block ends is forgotten."""

    def __init__(self, uploads: MultipartUploads, upload_id: str, number: int, blob: BlobWriter) -> None:
        self._uploads = uploads
        self._upload_id = upload_id
        self._number = number
        self._blob = blob
        blob.write(_head(upload_id, number))

    def write(self, data: bytes) -> None:
        """Add a piece."""
        self._blob.write(data)

    def commit(self) -> Part:
        """Keep what has been written; its digest is the part's ETag."""
        digest, size_bytes = self._blob.commit()
        part = Part(self._number, digest, size_bytes - len(_head(self._upload_id, self._number)))
        self._uploads.keep_part(self._upload_id, part)
        return part

    def __enter__(self) -> PartWriter:
        self._blob.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blob.__exit__(kind, error, trace)


def _head(upload_id: str, number: int) -> bytes:
    return f"{upload_id} {number}\n".encode()


def _no_upload(upload_id: str) -> NotFound:
    return NotFound(
        f"There is no upload {upload_id[:80]!r} of this path.", fix="Begin again: uploads are kept for a day."
    )
