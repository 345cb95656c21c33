"""Reads what lies at the address of a new version: which files, in which format, what they take and give.

Called by `Registration.register_source` before its transaction. What it reads was made by a client: nothing of it is
run, and a model folder that cannot be understood is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.registry.lookup import find_address
from tidewheel.registry.mlmodel import FILE, describe
from tidewheel.registry.records import ModelVersion, Signature
from tidewheel.registry.sources import ModelSource, kind_of
from tidewheel.registry.tensors import TensorSpec
from tidewheel.storage import Blobs, Metadata

EXTERNAL = "external"
_MOST_SAMPLE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContent:
    """What lies at an address; `origin` is the version that it copies, if it is one's address."""

    format: str = EXTERNAL
    files: dict[str, str] = field(default_factory=dict)
    size_bytes: int = 0
    signature: Signature = field(default_factory=lambda: Signature((), ()))
    executes_code: bool = False
    run_id: str | None = None
    model_id: str | None = None
    sample_digest: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    origin: ModelVersion | None = None


class SourceReader:
    """Looks behind addresses."""

    def __init__(self, metadata: Metadata, blobs: Blobs, source: ModelSource | None) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._source = source

    def read(self, source: str, *, empty: bool) -> SourceContent:
        """What lies at an address; of one elsewhere nothing but the address is known. So is of one at which nothing
        lies, if it may be `empty`.

        Raises:
            NotFound: if it names a version that there is not; or if nothing lies there, and it may not be empty.
            InvalidInput: if it leaves the place that it names, or its MLmodel file cannot be understood; or if it is a
                path of some machine, and may not be empty.
        """
        kind = kind_of(source)
        if kind == "version":
            return self._copied(source)
        if kind == "external" or self._source is None:
            if not empty:
                _refuse_path(source)
            return SourceContent()
        try:
            files = self._source.files_of(source)
        except NotFound:
            if not empty or source.startswith("models:"):
                raise
            return SourceContent()
        if not files and not empty:
            raise NotFound(f"No file is kept at {source!r}.", fix="Log the model first.")
        return self._described(files)

    def _copied(self, address: str) -> SourceContent:
        with self._metadata.read() as connection:
            origin = find_address(connection, address)
        return SourceContent(
            format=origin.format,
            files=origin.files,
            size_bytes=origin.size_bytes,
            signature=origin.signature,
            executes_code=origin.executes_code,
            run_id=origin.run_id,
            model_id=origin.model_id,
            sample_digest=origin.sample_digest,
            environment=origin.environment,
            origin=origin,
        )

    def _described(self, files: Mapping[str, str]) -> SourceContent:
        size_bytes = sum(self._blobs.size_bytes(digest) for digest in files.values())
        if FILE not in files:
            return SourceContent(files=dict(files), size_bytes=size_bytes)
        found = describe(files, lambda path: self._blobs.get(files[path]))
        return SourceContent(
            format=found.format,
            files={path: files[path] for path in found.files},
            size_bytes=size_bytes,
            signature=found.signature,
            executes_code=found.executes_code,
            run_id=found.run_id,
            model_id=found.model_id,
            sample_digest=self._kept_sample(files, found.sample_path, found.signature.input_tensors),
        )

    def _kept_sample(self, files: Mapping[str, str], path: str | None, tensors: Sequence[TensorSpec]) -> str | None:
        """MLflow's input example, if it is a table or tensors, as the Arrow stream that samples are kept in."""
        if path is None or self._blobs.size_bytes(files[path]) > _MOST_SAMPLE_BYTES:
            return None
        from tidewheel.registry.reference import to_bytes
        from tidewheel.registry.sample import sample_table

        table = sample_table(self._blobs.get(files[path]), tensors)
        return self._blobs.put(to_bytes(table)) if table is not None else None


def _refuse_path(source: str) -> None:
    """A path means another place on every machine: whoever gives one has mistyped, or not logged the model."""
    if urlsplit(source).scheme in {"", "file"}:
        raise InvalidInput(
            f"{source!r} is a path, and a version's files come from an address that means the same everywhere.",
            where="source",
            fix="Log the folder (tw.log_model, or MLflow's log_model) and give runs:/RUN/PATH; or s3://… and the like.",
        )
