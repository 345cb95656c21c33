"""What is inside a version: its files, checked; its predictor; its reference and sample.

A part of `Registry`. It must never load a model whose files or trust were not checked.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel.base.doors import door
from tidewheel.base.errors import Corrupt, NotFound
from tidewheel.registry.formats import Predictor
from tidewheel.registry.load import load_predictor
from tidewheel.registry.lookup import RegistryStores, require_version
from tidewheel.registry.records import ModelVersion, Verification

if TYPE_CHECKING:
    import pyarrow as pa


class Contents(RegistryStores):
    """Reads and checks what versions hold."""

    @door("GET", "/registry/versions/{version_id}/verify")
    def verify(self, version_id: str) -> Verification:
        """Read every stored file of a version and compare its BLAKE3 with the registered one."""
        version = self._version(version_id)
        digests = dict(version.files)
        if version.reference_digest:
            digests["(reference)"] = version.reference_digest
        if version.sample_digest:
            digests["(sample)"] = version.sample_digest
        damaged: dict[str, str] = {}
        for path, digest in digests.items():
            try:
                for _ in self._blobs.open(digest):
                    pass
            except (Corrupt, NotFound) as error:
                damaged[path] = error.message
        return Verification(version_id, not damaged, tuple(digests), damaged)

    def fetch(self, version_id: str, folder: Path) -> ModelVersion:
        """Write a version's files into a folder, each checked against its BLAKE3.

        Raises:
            NotFound: if the registry only knows where the files are, and does not hold them.
        """
        version = self._version(version_id)
        if not version.files:
            raise NotFound(
                f"The files of version {version.number} of {version.model!r} are not here, only their address: "
                f"{version.source}.",
                fix="Log the model to this server and register it from there.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path, digest in version.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._blobs.fetch(digest, target)
        return version

    def load(self, version_id: str) -> Predictor:
        """A version's predictor in this process, for scoring many rows; online traffic belongs to serving's workers."""
        with tempfile.TemporaryDirectory() as scratch:
            version = self.fetch(version_id, Path(scratch))
            return load_predictor(version.format, Path(scratch), version.files, version.trusted_by)

    def reference(self, version_id: str) -> pa.Table:
        """The rows that monitors compare the world with; see `reference.py` for its columns."""
        return self._table(version_id, "reference", "Give log_model its training rows: rows=…")

    def sample(self, version_id: str) -> pa.Table:
        """An input that the version can answer."""
        return self._table(version_id, "sample", "Give log_model its training rows, or MLflow an input_example.")

    def _table(self, version_id: str, what: str, fix: str) -> pa.Table:
        from tidewheel.registry.reference import from_bytes

        version = self._version(version_id)
        digest = version.reference_digest if what == "reference" else version.sample_digest
        if digest is None:
            raise NotFound(f"Version {version.number} of {version.model!r} was registered without a {what}.", fix=fix)
        return from_bytes(self._blobs.get(digest))

    def _version(self, version_id: str) -> ModelVersion:
        with self._metadata.read() as connection:
            return require_version(connection, version_id)
