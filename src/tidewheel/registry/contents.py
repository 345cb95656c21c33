"""What is inside a version: its files, checked; its predictor; its reference and sample.

A part of `Registry`. It must never load a model whose files or trust were not checked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.base.doors import door
from tidewheel.base.errors import Corrupt, NotFound
from tidewheel.registry.explain import DEFAULT_EVALUATIONS, Explainer
from tidewheel.registry.formats import Predictor
from tidewheel.registry.isolated import Answers, Kept, ask
from tidewheel.registry.load import check_trust, load_predictor
from tidewheel.registry.lookup import RegistryStores, require_version
from tidewheel.registry.numeric_inputs import require_numbers
from tidewheel.registry.records import ModelVersion, Verification

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


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

    def try_out(self, version: ModelVersion, folder: Path, batches: Sequence[NDArray[np.float64]]) -> None:
        """See that a version whose files lie in a folder loads and answers, in a process of its own.

        Raises:
            Corrupt: if it cannot be loaded, fails to answer, ends its process, or takes too long.
            InvalidInput: if it takes columns that are not numbers.
            NotAllowed: if it executes code and nobody is on record as trusting it.
            Unavailable: if its library is not installed here.
        """
        require_numbers(version.signature)
        kept = Kept(version.format, folder, version.files, version.trusted_by)
        check_trust(version.format, version.trusted_by, f"{version.model}/{version.number}")
        tried = ask(kept, batches, limit_s=self._bounds.trial_s, memory_mb=self._bounds.memory_mb)
        for answers in tried.outputs:
            _check_outputs(version, answers)

    def answers(self, version_id: str, rows: NDArray[np.float64], *, timed_rows: int = 0) -> Answers:
        """What a version answers to rows, asked in a process of its own; `timed_rows` are also asked one by one.

        Raises:
            Corrupt: if it cannot be loaded, fails to answer, ends its process, or takes too long.
        """
        with tempfile.TemporaryDirectory() as scratch:
            version = self.fetch(version_id, Path(scratch))
            kept = Kept(version.format, Path(scratch), version.files, version.trusted_by)
            found = ask(
                kept,
                [rows],
                limit_s=self._bounds.scoring_s,
                memory_mb=self._bounds.memory_mb,
                timed_rows=min(timed_rows, len(rows)),
            )
        _check_outputs(version, found.outputs[0])
        return found

    def load(self, version_id: str) -> Predictor:
        """A version's predictor in this process, which is the caller's risk: a damaged file may end it.

        For notebooks and steps; online traffic belongs to serving's workers, and `answers` takes no risk.
        """
        with tempfile.TemporaryDirectory() as scratch:
            version = self.fetch(version_id, Path(scratch))
            return load_predictor(version.format, Path(scratch), version.files, version.trusted_by)

    def explainer(self, version_id: str, *, evaluations: int = DEFAULT_EVALUATIONS) -> Explainer:
        """What tells why a version answered as it did, in this process: see `load` for the risk.

        Its background are the rows of the version's reference, else of its sample.

        Raises:
            InvalidInput: if it has neither, and its kind of model needs one; or it takes tensors.
        """
        from tidewheel.registry.explain.loading import background_rows, load_explainer

        with tempfile.TemporaryDirectory() as scratch:
            version = self.fetch(version_id, Path(scratch))
            version.signature.require_table("Explaining")
            names, table = version.signature.input_names, self._background(version)
            rows = background_rows(table, names) if table is not None else np.empty((0, len(names)))
            kept = (version.format, Path(scratch), version.files, version.trusted_by)
            return load_explainer(*kept, rows, evaluations=evaluations)

    def _background(self, version: ModelVersion) -> pa.Table | None:
        if version.reference_digest:
            return self.reference(version.id)
        return self.sample(version.id) if version.sample_digest else None

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


def _check_outputs(version: ModelVersion, answers: NDArray[np.float64]) -> None:
    named = sum(spec.width for spec in version.signature.output_tensors) or len(version.signature.outputs)
    if (named > 1 or version.signature.output_shapes) and answers.shape[1] != named:
        raise Corrupt(
            f"The model gives {answers.shape[1]} outputs, and its signature names {named}.",
            fix="Log it again with outputs=[…].",
        )
