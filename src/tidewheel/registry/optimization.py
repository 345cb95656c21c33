"""Gives a registered model a faster runtime, or smaller numbers, as its next version; and tells of a version's runtime.

A part of `Registry`. A version's files never change, so the outcome is another version, made from the first, with the
same signature, reference and origins. Converting happens in a process of its own: nothing is loaded here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.doors import door
from tidewheel.base.errors import GateSaidNo, InvalidInput, NotFound, TidewheelError, Unavailable
from tidewheel.registry.contents import Contents
from tidewheel.registry.isolated import run_apart
from tidewheel.registry.isolated_process import TASK
from tidewheel.registry.load import check_trust
from tidewheel.registry.numeric_inputs import require_numbers
from tidewheel.registry.records import ModelVersion
from tidewheel.registry.registration import Registration
from tidewheel.registry.runtimes import CHOICE, NATIVE
from tidewheel.registry.runtimes.choosing import AUTO, Asked
from tidewheel.registry.runtimes.loading import read_choice
from tidewheel.registry.runtimes.process import LABELS, MEASURED, ROWS, OptimizeTask
from tidewheel.registry.runtimes.records import Quantize, RuntimeChoice, Tolerance

Columns = dict[str, list[float | None]]


class Optimization(Registration, Contents):
    """Makes faster versions."""

    @door("GET", "/registry/versions/{version_id}/runtime")
    def runtime(self, version_id: str) -> RuntimeChoice:
        """Which runtime a version was given, and what was found of each candidate.

        Raises:
            NotFound: if none was ever chosen for it: it runs as its format does.
        """
        version = self._version(version_id)
        if CHOICE not in version.files:
            raise NotFound(
                f"No runtime was chosen for version {version.number} of {version.model!r}: it runs as its format does.",
                fix=f"`tidewheel models optimize {version.model}/{version.number}`.",
            )
        return read_choice(self._blobs.get(version.files[CHOICE]))

    @door("POST", "/registry/versions/{version_id}/optimize")
    def optimize(
        self,
        version_id: str,
        runtime: str = AUTO,
        tolerance: Tolerance | None = None,
        quantize: Quantize | None = None,
        rows: Columns | None = None,
    ) -> ModelVersion:
        """Make a version's next version, run by the fastest runtime that answers as it does, or quantised.

        Args:
            version_id: the version to begin with.
            runtime: `auto`, or one by name (onnx, onnx_double), which then need not be faster.
            tolerance: how near its answers must be, and by how much it must be faster.
            quantize: quantise it instead, if this gate lets it.
            rows: columns to compare on; default the version's reference, else its sample. `quantize.label` names one
                of them.

        Raises:
            GateSaidNo: if no runtime agrees and is faster, or quantisation makes it too much worse.
            Unavailable: if what converts models is not installed.
            InvalidInput: if there are no rows to compare on, they lack a column, or the version takes or gives tensors.
        """
        asked = Asked(runtime=runtime, tolerance=tolerance or Tolerance(), quantize=quantize)
        asked.candidates()
        version = self._version(version_id)
        version.signature.require_table("Choosing a runtime")
        require_numbers(version.signature)
        check_trust(version.format, version.trusted_by, f"{version.model}/{version.number}")
        columns = rows if rows is not None else self._kept_columns(version)
        matrix = _matrix(columns, version.signature.input_names)
        labels = _matrix(columns, [quantize.label])[:, 0] if quantize and quantize.label else None
        with tempfile.TemporaryDirectory(prefix="tidewheel-optimize-") as scratch:
            files = Path(scratch) / "files"
            self.fetch(version_id, files)
            measured = self._choose(version, Path(scratch), asked, matrix, labels)
            return self._add_optimized(version, files, measured)

    def _choose(
        self,
        version: ModelVersion,
        folder: Path,
        asked: Asked,
        rows: NDArray[np.float64],
        labels: NDArray[np.float64] | None,
    ) -> dict[str, float]:
        """Have the runtime chosen in a process of its own; gives what it costs to ask."""
        np.save(folder / ROWS, rows, allow_pickle=False)
        if labels is not None:
            np.save(folder / LABELS, labels, allow_pickle=False)
        task = OptimizeTask(
            format=version.format,
            files=version.files,
            files_folder=str(folder / "files"),
            trusted_by=version.trusted_by,
            runtime=asked.runtime,
            tolerance=asked.tolerance,
            quantize=asked.quantize,
            memory_mb=self._bounds.memory_mb,
        )
        (folder / TASK).write_bytes(msgspec.json.encode(task))
        run_apart("tidewheel.registry.runtimes.process", folder, version.format, self._bounds.scoring_s)
        if not (folder / MEASURED).exists():
            raise _none_chosen(version, read_choice((folder / "files" / CHOICE).read_bytes()))
        return msgspec.json.decode((folder / MEASURED).read_bytes(), type=dict[str, float])

    def _add_optimized(self, version: ModelVersion, folder: Path, measured: Mapping[str, float]) -> ModelVersion:
        files, size_bytes = self._keep_files(folder)
        draft = self._draft(
            version.model, version.format, files, size_bytes, version.signature, version.description, version.tags
        )
        made = replace(
            draft,
            source=f"models:/{version.model}/{version.number}",
            run_id=version.run_id,
            model_id=version.model_id,
            feature_set_name=version.feature_set_name,
            feature_set_hash=version.feature_set_hash,
            commits=version.commits,
            metrics=version.metrics,
            reference_digest=version.reference_digest,
            sample_digest=version.sample_digest,
            environment=version.environment,
            measured=dict(measured),
            executes_code=version.executes_code,
            trusted_by=version.trusted_by,
        )
        return self._add(made, inputs=[version.node])

    def _kept_columns(self, version: ModelVersion) -> Columns:
        kept = self.reference if version.reference_digest else self.sample
        table = kept(version.id)
        return {
            name: table.column(name).to_pylist() for name in version.signature.input_names if name in table.schema.names
        }


def _matrix(columns: Columns, names: tuple[str, ...] | list[str]) -> NDArray[np.float64]:
    """Columns as rows of float64, null as NaN."""
    missing = [name for name in names if name not in columns]
    lengths = {len(columns[name]) for name in names if name in columns}
    if missing or len(lengths) != 1:
        raise InvalidInput(
            f"The rows lack the columns {missing}." if missing else "The columns of the rows differ in length.",
            fix=f"Give each of {', '.join(names)} once for every row.",
        )
    return np.ascontiguousarray(np.column_stack([np.array(columns[name], dtype=np.float64) for name in names]))


def _none_chosen(version: ModelVersion, choice: RuntimeChoice) -> TidewheelError:
    """Why a version keeps its own runtime, and what can be done about that."""
    passed = [each for each in choice.candidates if each.runtime != NATIVE]
    stays = f"Version {version.number} of {version.model!r} stays as it is."
    missing = [each.why for each in passed if each.not_installed]
    agreed = [each.runtime for each in passed if each.speed is not None and not each.rows_apart]
    if missing and not agreed:
        return Unavailable(f"{stays} No runtime could be tried.", fix=missing[0])
    if agreed:
        fix = f"To have it although it is no faster, name it: --runtime {agreed[0]}."
    elif any(each.rows_apart for each in passed):
        fix = "Allow a wider tolerance (--tolerance), if that is good enough."
    else:
        fix = "Nothing needs to be done: it runs as its format does."
    reasons = "; ".join(f"{each.runtime}: {each.why.rstrip('.')}" for each in passed)
    return GateSaidNo(f"{stays} {reasons}.", fix=fix)
