"""A version as a worker holds it: what its inputs and outputs are called, its feature plan, and its model in memory.

Loading happens in a thread, beside running requests: files are checked against their BLAKE3 before anything is read,
and the version answers its warm-up sample before it is used. Its description stays while its model may leave memory
and come back (`residency` decides when); nothing else of it ever changes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput, Unavailable
from tidewheel.base.settings import Settings
from tidewheel.registry.explain import Explainer, explainer_of
from tidewheel.registry.explain.loading import load_explainer
from tidewheel.registry.formats import Predictor
from tidewheel.registry.load import load_predictor, use_one_thread
from tidewheel.registry.tensors import rows_at_once
from tidewheel.serving.signature import tensors_of, whole_columns
from tidewheel.serving.snapshot import ServingFolder, SnapshotVersion
from tidewheel.serving.worker.calls import Explanation
from tidewheel.serving.worker.feature_plans import Plan, load_plan
from tidewheel.serving.worker.isolation import IsolatedPredictor, open_isolated
from tidewheel.serving.worker.warm_up import load_background, warm_up_rows

INLINE_S = 0.002
"""Model calls expected to take longer than this leave the event loop."""
_TIMED_CALLS = 3
_SLOW_CALLS = 3  # in a row: one may be the machine's hiccup


class LoadedVersion:
    """A version that answers. May be used from any thread."""

    __slots__ = (
        "_explainer",
        "_lock",
        "_open",
        "_open_explainer",
        "_samples",
        "_slow_calls",
        "batch_rows",
        "columns",
        "file_bytes",
        "format",
        "id",
        "isolated",
        "known_inputs",
        "leaves_loop",
        "memory_bytes",
        "model",
        "names",
        "number",
        "optional",
        "output_tensors",
        "output_width",
        "outputs",
        "plan",
        "predictor",
        "row_s",
        "tensors",
        "unsigned",
        "used_at",
        "whole",
        "width",
    )

    def __init__(
        self,
        spec: SnapshotVersion,
        plan: Plan | None,
        open_predictor: Callable[[], Predictor],
        samples: list[NDArray[np.float64]],
        file_bytes: int = 0,
        isolated: bool = False,
        open_explainer: Callable[[Predictor], Explainer] | None = None,
    ) -> None:
        self.id = spec.id
        self.format = spec.format
        self.model = spec.model
        self.number = str(spec.number)
        self.names = spec.inputs
        self.width = spec.width
        self.tensors = tensors_of(spec.inputs, spec.input_shapes, spec.dtypes)
        """What it takes, where that is no table; they lie one behind another in its rows."""
        self.batch_rows = rows_at_once(spec.width) if self.tensors else sys.maxsize
        """The most rows that are worth a call together."""
        self.columns = {} if self.tensors else {name: column for column, name in enumerate(spec.inputs)}
        self.outputs = spec.outputs or ["output"]
        self.output_tensors = tensors_of(self.outputs, spec.output_shapes, spec.output_dtypes)
        """What it gives, where that is no table."""
        self.output_width = sum(each.width for each in self.output_tensors) or len(self.outputs)
        self.optional = frozenset(spec.optional)
        self.unsigned = not spec.inputs
        self.whole = () if self.tensors else whole_columns(spec.inputs, spec.dtypes)
        self.plan = plan
        looked_up = () if plan is None else (*plan.entities, *plan.request)
        whole = () if len(self.tensors) > 1 else ("features",)
        self.known_inputs = frozenset({*whole, *spec.inputs, *looked_up})
        self.predictor: Predictor | None = None
        """The model; None while it is not in memory."""
        self.file_bytes = file_bytes
        self.memory_bytes = file_bytes
        """What the model takes in memory: what the process grew by when it was loaded, and its files at least."""
        self.used_at = 0.0
        """`time.monotonic()` of the last request to it."""
        self.row_s = 0.0
        """What asking for one row took when it was warmed up, in seconds."""
        self.isolated = isolated
        """Whether the model runs in a process of its own."""
        self.leaves_loop = isolated
        """Whether it is too slow for the event loop, or elsewhere, and asked from a thread."""
        self._slow_calls = 0
        self._explainer: Explainer | None = None
        self._open_explainer = open_explainer
        self._lock = threading.Lock()
        self._open = open_predictor
        self._samples = samples

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The model's outputs, (rows, outputs).

        Raises:
            Corrupt: if the model gives another number of outputs than its signature names.
            Unavailable: if the model is not in memory.
        """
        predictor = self.predictor
        if predictor is None:
            raise Unavailable(f"The version {self.id} is not in memory.", fix="Try again.")
        return self._ask(predictor, rows)

    @property
    def logged_names(self) -> list[str]:
        """Which input each number of a logged row is of."""
        return [spec.name for spec in self.tensors for _ in range(spec.width)] or self.names

    def explain(self, rows: NDArray[np.float64]) -> Explanation:
        """What each feature of the rows added to the answers; slow, and slower the first time. Blocks.

        Raises:
            InvalidInput: if nothing is known that the model could be explained against, or it takes or gives tensors.
            Unavailable: if the model is not in memory.
        """
        if self.tensors or self.output_tensors:
            raise InvalidInput(f"The version {self.id} is of tensors, and explanations are of columns.")
        with self._lock:
            predictor = self.predictor
            if predictor is None or self._open_explainer is None:
                raise Unavailable(f"The version {self.id} is not in memory.", fix="Try again.")
            explainer = self._explainer = self._explainer or self._open_explainer(predictor)
        found = explainer.explain(rows)
        values, base = found.values, found.base
        if base.shape[1] == 1:
            values, base = values[:, :, 0], base[:, 0]
        told: dict[str, NDArray[np.float64] | str] = {"attributions": values, "attributions_base": base}
        told |= {"attributions_scale": found.scale, "attributions_method": found.method}
        return told | {"attributions_warning": found.warning} if found.warning else told

    def wait_until_back(self, within_s: float) -> bool:
        """After a failed call: wait for a process of its own to be there again, and say whether it is; blocks."""
        predictor = self.predictor
        return predictor.wait_until_back(within_s) if isinstance(predictor, IsolatedPredictor) else True

    def note_time(self, took_s: float, rows: int) -> None:
        """Learn from a call on the event loop: a version that is slow on real rows leaves it, whatever its sample."""
        if took_s > INLINE_S * rows:
            self._slow_calls += 1
            self.leaves_loop = self._slow_calls >= _SLOW_CALLS
        else:
            self._slow_calls = 0

    def wake(self) -> None:
        """Load the model and warm it up, unless it is in memory. Blocks.

        Raises:
            Corrupt: if a file is missing or not the registered one, or the model does not fit its signature.
            NotAllowed: if the format executes code and nobody vouched for it.
        """
        with self._lock:
            if self.predictor is not None:
                return
            before = _resident_bytes()
            predictor = self._open()
            self._warm_up(predictor)
            grown = getattr(predictor, "memory_bytes", _resident_bytes() - before)  # an isolated one knows its own
            self.memory_bytes = max(self.file_bytes, grown)
            self.predictor = predictor

    def sleep(self) -> None:
        """Let the model leave memory; what is computing with it goes on. Never waits."""
        self.predictor = self._explainer = None

    def _warm_up(self, predictor: Predictor) -> None:
        """Let the model answer its samples, and time the last, a single row: again, as first calls are slower."""
        for rows in self._samples:
            self._ask(predictor, rows)
        if self._samples:
            self.row_s = min(self._timed(predictor, self._samples[-1]) for _ in range(_TIMED_CALLS))
            self.leaves_loop = self.isolated or self.row_s > INLINE_S

    def _timed(self, predictor: Predictor, rows: NDArray[np.float64]) -> float:
        began = perf_counter()
        self._ask(predictor, rows)
        return perf_counter() - began

    def _ask(self, predictor: Predictor, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        outputs = predictor.predict(rows)
        width = self.output_width
        if outputs.shape[0] != rows.shape[0] or ((width > 1 or self.output_tensors) and outputs.shape[1] != width):
            raise Corrupt(
                f"The version {self.id} answered {rows.shape[0]} rows with an array of shape {outputs.shape}.",
                fix=f"Its signature names {width} outputs.",
            )
        return outputs


def load_version(folder: ServingFolder, spec: SnapshotVersion, isolation: Settings | None = None) -> LoadedVersion:
    """Check, load and warm up a version; with the settings of `isolation`, in a process of its own.

    Raises:
        Corrupt: if a file is missing or not the registered one, or the model does not fit its signature.
        NotAllowed: if the format executes code and nobody vouched for it.
    """
    if spec.refused:
        raise Corrupt(spec.refused)
    place = folder.model(spec.id)
    plan = load_plan(folder.plan(spec.plan_digest), spec.plan_digest) if spec.plan_digest else None
    if plan is not None and list(plan.names) != spec.inputs:
        raise Corrupt(
            f"The feature plan of {spec.id} gives other features than its model takes.", fix="Register it again."
        )

    def open_predictor() -> Predictor:
        if isolation is not None:
            return open_isolated(spec.format, place / "files", spec.files, spec.trusted_by, isolation)
        predictor = load_predictor(spec.format, place / "files", spec.files, spec.trusted_by)
        use_one_thread()
        return predictor

    samples = warm_up_rows(place / "sample.npy", spec)

    def open_explainer(predictor: Predictor) -> Explainer:
        background = load_background(place / "background.npy", len(spec.inputs))
        if isolation is not None:  # its trees are in the other process, so it is asked and not read
            return explainer_of(predictor, background)
        return load_explainer(spec.format, place / "files", spec.files, spec.trusted_by, background)

    file_bytes = _bytes_of(place / "files", spec)
    isolated = isolation is not None
    version = LoadedVersion(spec, plan, open_predictor, samples, file_bytes, isolated, open_explainer)
    version.wake()
    return version


def _bytes_of(folder: Path, spec: SnapshotVersion) -> int:
    return sum(file.stat().st_size for file in map(folder.joinpath, spec.files) if file.is_file())


def _resident_bytes() -> int:
    """What this process has in memory; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
