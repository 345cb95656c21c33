"""`tw.log_model`: one call at the end of training that keeps model, signature, reference and origin together.

The reference's outputs come from the files as saved and loaded again, so a model that would not serve never registers.
It knows feature sets and their training rows by their shape alone (`HasFeatures`, `HasRows`): they live on a floor
above.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.registry.formats import Predictor, save_model
from tidewheel.registry.graphs import Graph
from tidewheel.registry.logged_tensors import (
    declared_tensors,
    keep_outputs,
    sample_size,
    tensor_signature,
    tensors_of,
)
from tidewheel.registry.mlmodel_writing import write_mlmodel
from tidewheel.registry.packaging_facts import environment, measure
from tidewheel.registry.records import ModelVersion, Signature
from tidewheel.registry.reference import MAX_ROWS, build_reference, sample_rows
from tidewheel.registry.runtimes import CHOICE, NATIVE
from tidewheel.registry.runtimes.loading import load_chosen, require_chosen
from tidewheel.registry.service import Registry
from tidewheel.registry.tensor_tables import rows_of_table, table_of_rows
from tidewheel.registry.tensors import TensorSpec
from tidewheel.registry.training_rows import HasRows, TrainingRows, numbers_of, rows_given

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tidewheel.registry.runtimes.records import Quantize, Tolerance

_SAMPLE_ROWS = 100
_MOST_WATCHED = 1024  # columns of answers that a reference holds
_LIBRARIES = {
    "lightgbm": ("lightgbm", "numpy"),
    "xgboost": ("xgboost", "numpy"),
    "onnx": ("onnxruntime", "numpy"),
    "skops": ("scikit-learn", "skops", "numpy"),
    "safetensors": ("torch", "safetensors", "numpy"),
    "python": ("cloudpickle", "numpy"),
}


class HasFeatures(Protocol):
    """What `log_model` reads from a feature set."""

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def entities(self) -> Sequence[str]: ...


def log_model(
    model: Any,
    name: str,
    *,
    features: HasFeatures | None = None,
    outputs: Sequence[str] | None = None,
    rows: TrainingRows | None = None,
    inputs: Sequence[str | TensorSpec] | None = None,
    metrics: Mapping[str, float] | None = None,
    trust: bool = False,
    sample: TrainingRows | None = None,
    runtime: str = NATIVE,
    tolerance: Tolerance | None = None,
    quantize: Quantize | None = None,
) -> ModelVersion:
    """Register a trained model as the next version of `name`, under the active run.

    Args:
        model: A LightGBM or XGBoost booster, a scikit-learn estimator, an ONNX model, a PyTorch module, or any object
            with `predict`, function of rows or class with `predict` (then `trust=True` is needed); or a `Graph` of
            several.
        name: The model's name, as in ``models:/surge@champion``.
        features: The feature set that it was trained on; its hash is pinned in the version.
        outputs: A name for each output, as in ``["p_accept"]``.
        rows: The training rows, of which a sample becomes the reference for drift and the background of explanations:
            a pandas or Polars data frame, an Arrow table, a dict of arrays, an array (rows, columns) in the order of
            the inputs; or what a feature set's `training_rows` gives, whose commits become lineage.
        inputs: The names of the columns where there is no feature set, or ``[tw.TensorSpec("image", (-1, 3, 32, 32))]``
            where they are tensors. A graph knows its own, and so do ONNX and torch.export models of tensors.
        metrics: Figures to show beside the version.
        trust: Your word that a model which runs code on load may be loaded; your name is kept with it.
        sample: An input to keep beside the version, in any form of `rows`, at most 100 of it; else the first of `rows`.
        runtime: What runs it: its own library (``native``), the fastest that answers the training rows as it does
            (``auto``), or one by name (``onnx``). `Registry.runtime` tells what was found.
        tolerance: How near the answers of another runtime must be, and by how much it must be faster.
        quantize: Quantise it, if this gate lets it; the label that the gate needs is a column of `rows`.

    Raises:
        InvalidInput: if the model does not fit its inputs, rows or outputs, or no format keeps it; or if the platform
            that is open is behind an address, as files do not travel there.
        NotAllowed: if only a format that runs code keeps it, and `trust` was not given.
        GateSaidNo: if the runtime named does not answer as the model does, or quantisation makes it too much worse.
    """
    registry = _registry_at_home()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        declared = declared_tensors(model, inputs, folder)
        columns = features.names if features is not None else [each for each in inputs or () if isinstance(each, str)]
        found = save_model(model, folder, trust=trust)
        tensors = None if columns else tensors_of(found.load(folder), declared, found.name)
        taken = tensors.layout.inputs if tensors is not None else ()
        input_names = [spec.name for spec in taken] or _input_names(model, columns)
        known = rows_given(rows, input_names, taken) if rows is not None else None
        shown = rows_given(sample, input_names, taken).table() if sample is not None else None
        tried = _Sample.of(known, features, input_names, taken)
        if tensors is not None:
            keep_outputs(tensors, tried.matrix[:2], outputs, folder)
        predictor, measured = _measured(lambda: found.load(folder), tried)
        answers = _checked_answers(predictor, tried)
        signature = tensor_signature(predictor, input_names, tried.matrix[:2], outputs, taken) or Signature.of(
            input_names, _name_outputs(outputs, answers.shape[1])
        )
        trained_in = environment(_LIBRARIES.get(found.name, ()))
        write_mlmodel(folder, found.name, signature, trained_in["packages"], getattr(predictor, "method", None))
        if runtime != NATIVE or quantize:
            signature.require_table("Choosing a runtime")
            _choose_runtime(found.name, folder, tried, runtime, tolerance, quantize)
            if load_chosen(folder, {CHOICE}):
                predictor, measured = measure(lambda: require_chosen(folder, {CHOICE}), tried.matrix)
                answers = _checked_answers(predictor, tried)
        return registry.register(
            name,
            format=found.name,
            folder=folder,
            signature=signature,
            sample=_sample_table(shown, tried) if shown is not None or known is not None else None,
            environment=trained_in,
            measured=measured,
            run_id=ambient.active_run.get(),
            feature_set=(features.name, features.hash) if features is not None else None,
            commits=tuple(known.commits) if known is not None else (),
            metrics=metrics,
            reference=tried.reference(answers, signature) if known is not None else None,
            trust=trust,
        )


def _registry_at_home() -> Registry:
    """The open platform's registry, in whose home the model's files will lie."""
    registry = ambient.current(Registry)
    if not isinstance(registry, Registry):
        raise InvalidInput(
            "log_model writes a model's files into the home folder of an install, and the platform that is open is "
            "behind an address (tw.connect or TIDEWHEEL_URL).",
            fix="Log it where the home is: with tw.open(HOME). Or from here by MLflow's client, which uploads files: "
            "MLFLOW_TRACKING_URI=<that address> and mlflow.<flavour>.log_model(…, registered_model_name=NAME).",
        )
    return registry


def _choose_runtime(
    format_name: str,
    folder: Path,
    tried: _Sample,
    runtime: str,
    tolerance: Tolerance | None,
    quantize: Quantize | None,
) -> None:
    from tidewheel.registry.runtimes.choosing import AUTO, Asked, choose_runtime
    from tidewheel.registry.runtimes.records import Tolerance

    asked = Asked(
        runtime=AUTO if runtime == NATIVE else runtime,
        tolerance=tolerance or Tolerance(),
        quantize=quantize,
        labels=tried.labels(quantize.label) if quantize and quantize.label else None,
    )
    choose_runtime(format_name, folder, tried.matrix if tried.table is not None else tried.matrix[:0], asked)


def _input_names(model: Any, given: Sequence[str]) -> list[str]:
    """The names of the model's inputs, in order: those given, which a graph must agree with, or a graph's own."""
    names = list(given or (model.inputs if isinstance(model, Graph) else ()))
    if not names:
        raise InvalidInput("log_model needs to know the model's inputs.", fix="Pass features=… or inputs=[…].")
    if isinstance(model, Graph) and names != list(model.inputs):
        raise InvalidInput(
            f"The graph takes {list(model.inputs)[:10]}, and its inputs are given as {names[:10]}.",
            fix="Write the graph over the features, in their order.",
        )
    _check_order(model, names)
    return names


def _check_order(model: Any, names: list[str]) -> None:
    """A model that knows its features by these very names, in another order, would be asked with them mixed up."""
    for attribute in ("feature_names_in_", "feature_names", "feature_name"):
        known = getattr(model, attribute, None)
        known = known() if callable(known) else known
        if known is not None and set(known) == set(names) and list(known) != names:
            raise InvalidInput(
                f"The model was trained on {list(known)[:10]}, and its inputs are given as {names[:10]}.",
                fix="Name the inputs in the order that the model was trained on.",
            )


def _sample_table(given: pa.Table | None, tried: _Sample) -> pa.Table:
    """The first rows of what was given, or of the rows that the model was tried on."""
    import pyarrow as pa

    if given is not None:
        return given.slice(0, sample_size(tried.tensors, _SAMPLE_ROWS))
    if tried.tensors:
        return table_of_rows(tried.matrix[: sample_size(tried.tensors, _SAMPLE_ROWS)], tried.tensors)
    return pa.table({name: tried.matrix[:_SAMPLE_ROWS, place] for place, name in enumerate(tried.names)})


@dataclass(frozen=True, slots=True)
class _Sample:
    """Rows to try the saved model on: a sample of the training rows, or one row of zeros where there are none."""

    names: Sequence[str]
    matrix: NDArray[np.float64]
    beside: Mapping[str, Any]
    table: pa.Table | None = None
    tensors: Sequence[TensorSpec] = ()

    @classmethod
    def of(
        cls,
        rows: HasRows | None,
        features: HasFeatures | None,
        names: Sequence[str],
        tensors: Sequence[TensorSpec] = (),
    ) -> _Sample:
        import pyarrow as pa

        table = _with_instants(rows) if rows is not None else None
        if table is None or table.num_rows == 0:
            width = sum(spec.width for spec in tensors) if tensors else len(names)
            return cls(names, np.zeros((1, width)), {}, tensors=tensors)
        missing = [name for name in names if name not in table.column_names]
        if missing:
            raise InvalidInput(
                f"The training rows lack the features {missing}.", fix=f"They have {table.column_names}."
            )
        table = sample_rows(table, sample_size(tensors, MAX_ROWS))
        entities = features.entities if features is not None else ()
        beside = {name: table.column(name) for name in entities if name in table.column_names}
        if "at" in table.column_names and pa.types.is_timestamp(table.schema.field("at").type):
            beside = {"at": table.column("at"), **beside}
        if tensors:
            return cls(names, rows_of_table(table, tensors), beside, table, tensors)
        columns = [numbers_of(table, name) for name in names]
        return cls(names, np.ascontiguousarray(np.column_stack(columns)), beside, table)

    def labels(self, name: str) -> NDArray[np.float64]:
        """What was true of each row, as a column of the training rows says."""
        if self.table is None or name not in self.table.column_names:
            raise InvalidInput(
                f"The training rows have no column {name!r} to say what was true.", fix="Pass rows=… that have it."
            )
        return numbers_of(self.table, name)

    def reference(self, answers: NDArray[np.float64], signature: Signature) -> pa.Table:
        """What monitors compare with: columns alone, so of tensors of many values only the answers."""
        features = {name: self.matrix[:, place] for place, name in enumerate(signature.feature_names)}
        watched = signature.output_columns if answers.shape[1] <= _MOST_WATCHED else ()
        return build_reference(features, answers, watched, self.beside)


def _with_instants(rows: HasRows) -> pa.Table:
    table = rows.table()
    timestamps = getattr(rows, "timestamps", None)
    if timestamps is None or "at" in table.column_names:
        return table
    import pyarrow as pa

    instants = timestamps if isinstance(timestamps, pa.Array | pa.ChunkedArray) else pa.array(np.asarray(timestamps))
    return table.append_column("at", instants)


def _measured(load: Callable[[], Predictor], sample: _Sample) -> tuple[Predictor, dict[str, float]]:
    """The model as it is loaded from its files, and what it costs to ask."""
    try:
        return measure(load, sample.matrix)
    except TidewheelError:
        raise
    except Exception as error:  # it is the caller's own code, so anything may come
        tried = "the training rows" if sample.table is not None else "a row of zeros"
        raise InvalidInput(
            f"The model fails on {tried}, saved and loaded again: {type(error).__name__}: {error}",
            fix="It is asked in numbers: if it takes text, encode that before the model. If it takes no zeros, give it "
            "its training rows: rows=….",
        ) from error


def _checked_answers(predictor: Predictor, sample: _Sample) -> NDArray[np.float64]:
    answers = predictor.predict(sample.matrix)
    if answers.ndim != 2 or len(answers) != len(sample.matrix):
        raise InvalidInput(
            f"The model answered {len(sample.matrix)} rows with an array of shape {answers.shape}.",
            fix="predict(X) must return one row for each row of X.",
        )
    return answers


def _name_outputs(outputs: Sequence[str] | None, count: int) -> list[str]:
    names = list(outputs or (["output"] if count == 1 else [f"output_{place}" for place in range(count)]))
    if len(names) != count:
        raise InvalidInput(f"The model gives {count} outputs, and {len(names)} were named: {names}.")
    return names
