"""What `log_model` does for a model that takes or gives tensors: find out which, try it on them, keep a sample.

What it takes is told by the model's own file (ONNX, torch.export) or by `inputs=[tw.TensorSpec(…)]`; what it gives is
seen when it answers. Called by `logged_model` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.formats import Predictor
from tidewheel.registry.formats.tensor_predictor import TensorPredictor, in_order
from tidewheel.registry.graphs import Graph
from tidewheel.registry.records import Signature
from tidewheel.registry.tensors import TensorLayout, TensorSpec, specs_of, write_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_SAMPLE_VALUES = 2**22


def declared_tensors(model: Any, inputs: Sequence[str | TensorSpec] | None, folder: Path) -> tuple[TensorSpec, ...]:
    """The tensors among the inputs that a caller names, kept for the format to read; none if columns are named.

    Raises:
        InvalidInput: if both are named, or the model is a graph of several, whose nodes take columns.
    """
    found = tuple(each for each in inputs or () if isinstance(each, TensorSpec))
    if not found:
        return ()
    if len(found) != len(inputs or ()) or len({spec.name for spec in found}) != len(found):
        raise InvalidInput(
            "The inputs are columns and tensors, or two tensors have one name.",
            fix="Name every input as tw.TensorSpec(name, shape, dtype), each by a name of its own.",
        )
    if isinstance(model, Graph):
        raise InvalidInput("A graph of models takes columns.", fix="Name its inputs, or log the model by itself.")
    write_layout(folder, TensorLayout(found))
    return found


def tensors_of(predictor: Predictor, declared: Sequence[TensorSpec], format_name: str) -> TensorPredictor | None:
    """A loaded model as one that takes tensors, its inputs by the declared names; None if it takes a table.

    Raises:
        InvalidInput: if tensors are declared and the format takes tables alone.
    """
    if isinstance(predictor, TensorPredictor):
        return predictor
    if declared:
        raise InvalidInput(
            f"A {format_name} model takes a table, and its inputs are given as tensors.",
            fix="Name its columns: inputs=['a', 'b'].",
        )
    return None


def keep_outputs(
    predictor: TensorPredictor, rows: NDArray[np.float64], names: Sequence[str] | None, folder: Path
) -> None:
    """Keep what a model takes and gives, as its answer to some rows shows, among its files; it is then loaded so."""
    write_layout(folder, TensorLayout(predictor.layout.inputs, _given(predictor, rows, names)))


def tensor_signature(
    predictor: Predictor,
    inputs: Sequence[str],
    rows: NDArray[np.float64],
    outputs: Sequence[str] | None,
    taken: Sequence[TensorSpec],
) -> Signature | None:
    """The signature of a model that takes tensors, or columns and gives tensors; None if all of it is a table."""
    if not isinstance(predictor, TensorPredictor):
        return None
    if taken:
        return Signature.of_tensors(predictor.layout.inputs, predictor.layout.outputs)
    given = _given(predictor, rows, outputs)
    if all(len(spec.shape) <= 2 for spec in given):
        return None
    return replace(Signature.of_tensors((), given), inputs=Signature.of(inputs, ()).inputs)


def _given(
    predictor: TensorPredictor, rows: NDArray[np.float64], names: Sequence[str] | None
) -> tuple[TensorSpec, ...]:
    """What a model gives, as seen in its answer to some rows: what is named, by name or else by place, or all."""
    answers = predictor.answers(rows)
    return specs_of(in_order(answers, list(names)) if names else answers)


def sample_size(specs: Sequence[TensorSpec], most: int) -> int:
    """How many rows of these tensors are tried and kept, at most `most`: some megabytes and not more."""
    width = sum(spec.width for spec in specs)
    return max(1, min(most, _MOST_SAMPLE_VALUES // max(width, 1)))
