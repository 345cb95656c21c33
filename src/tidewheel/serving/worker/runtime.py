"""A version as a worker holds it: its predictor, its feature plan, and what its inputs and outputs are called.

Loading happens in a thread, beside running requests: files are checked against their BLAKE3 before anything is read,
and the version answers its warm-up sample once before it is used. A loaded version never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.base.hashing import hash_bytes
from tidewheel.registry.formats import Predictor
from tidewheel.registry.load import load_predictor, use_one_thread
from tidewheel.serving.signature import whole_columns
from tidewheel.serving.snapshot import ServingFolder, SnapshotVersion

INLINE_S = 0.002
"""Model calls expected to take longer than this leave the event loop."""
_TIMED_CALLS = 3


class Plan(Protocol):
    """What a worker needs of a feature plan (`features.FeaturePlan`)."""

    @property
    def name(self) -> str: ...
    @property
    def views(self) -> Sequence[Any]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def entities(self) -> Sequence[str]: ...
    @property
    def request(self) -> Mapping[str, type]: ...
    def online(
        self,
        store: Any,
        entities: Mapping[str, Sequence[str]],
        request: Mapping[str, Any],
        at_us: int | NDArray[np.int64],
    ) -> NDArray[np.float64]: ...


class LoadedVersion:
    """A version that answers. May be used from the loop and the shadow thread at once."""

    __slots__ = (
        "columns",
        "format",
        "id",
        "known_inputs",
        "leaves_loop",
        "model",
        "names",
        "number",
        "optional",
        "outputs",
        "plan",
        "predictor",
        "row_s",
        "unsigned",
        "whole",
        "width",
    )

    def __init__(self, spec: SnapshotVersion, predictor: Predictor, plan: Plan | None) -> None:
        self.id = spec.id
        self.format = spec.format
        self.model = spec.model
        self.number = str(spec.number)
        self.names = spec.inputs
        self.width = len(spec.inputs)
        self.columns = {name: column for column, name in enumerate(spec.inputs)}
        self.outputs = spec.outputs or ["output"]
        self.optional = frozenset(spec.optional)
        self.unsigned = not spec.inputs
        self.whole = whole_columns(spec.inputs, spec.dtypes)
        self.plan = plan
        self.predictor = predictor
        self.row_s = 0.0
        """What asking for one row took when it was warmed up, in seconds."""
        self.leaves_loop = False
        """Whether it is too slow for the event loop, and asked from a thread."""
        looked_up = () if plan is None else (*plan.entities, *plan.request)
        self.known_inputs = frozenset({"features", *spec.inputs, *looked_up})

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The model's outputs, (rows, outputs).

        Raises:
            InvalidInput: if the model gives another number of outputs than its signature names.
        """
        outputs = self.predictor.predict(rows)
        if outputs.shape[0] != rows.shape[0] or (len(self.outputs) > 1 and outputs.shape[1] != len(self.outputs)):
            raise Corrupt(
                f"The version {self.id} answered {rows.shape[0]} rows with an array of shape {outputs.shape}.",
                fix=f"Its signature names {len(self.outputs)} outputs.",
            )
        return outputs


def load_version(folder: ServingFolder, spec: SnapshotVersion) -> LoadedVersion:
    """Check, load and warm up a version.

    Raises:
        Corrupt: if a file is missing or not the registered one, or the model does not fit its signature.
        NotAllowed: if the format executes code and nobody vouched for it.
    """
    if spec.refused:
        raise Corrupt(spec.refused)
    place = folder.model(spec.id)
    predictor = load_predictor(spec.format, place / "files", spec.files, spec.trusted_by)
    use_one_thread()
    plan = _load_plan(folder.plan(spec.plan_digest), spec.plan_digest) if spec.plan_digest else None
    if plan is not None and list(plan.names) != spec.inputs:
        raise Corrupt(
            f"The feature plan of {spec.id} gives other features than its model takes.", fix="Register it again."
        )
    version = LoadedVersion(spec, predictor, plan)
    _warm_up(version, warm_up_rows(place / "sample.npy", spec))
    return version


def _warm_up(version: LoadedVersion, samples: list[NDArray[np.float64]]) -> None:
    """Let the version answer its samples, and time the last, a single row: once more, as a first call is slower."""
    for rows in samples:
        version.predict(rows)
    if samples:
        version.row_s = min(_timed(version, samples[-1]) for _ in range(_TIMED_CALLS))
        version.leaves_loop = version.row_s > INLINE_S


def _timed(version: LoadedVersion, rows: NDArray[np.float64]) -> float:
    began = perf_counter()
    version.predict(rows)
    return perf_counter() - began


def _load_plan(path: Path, digest: str) -> Plan:
    """The plan in a file. It is the project's own code, as the features room stored it; its digest is checked first."""
    import cloudpickle

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Corrupt("The feature plan is missing.", where=str(path), fix="The next publish fetches it.") from None
    if hash_bytes(data) != digest:
        raise Corrupt("The feature plan is not the one that was published.", where=str(path), fix="Delete the file.")
    plan: Plan = cloudpickle.loads(data)
    return plan


def warm_up_rows(path: Path, spec: SnapshotVersion) -> list[NDArray[np.float64]]:
    """Rows to warm up with: all of the sample, then its first row alone, as single rows often take another path."""
    if not spec.inputs:  # nobody said what it takes, so there is nothing to ask it with
        return []
    if spec.sample_rows == 0:
        return [np.zeros((1, len(spec.inputs)))]
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Corrupt(f"The warm-up sample cannot be read: {error}.", where=str(path)) from None
    if rows.shape != (spec.sample_rows, len(spec.inputs)):
        raise InvalidInput(f"The warm-up sample has shape {rows.shape}.", where=str(path))
    return [np.ascontiguousarray(rows), np.ascontiguousarray(rows[:1])]
