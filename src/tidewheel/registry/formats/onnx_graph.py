"""ONNX graphs, run by onnxruntime on one core.

A graph that takes one two-dimensional tensor of floats is a model of tables. Its float outputs are laid side by side;
where it has any, its integer outputs (the labels that classifiers add beside their probabilities) are left out. Any
other graph is `onnx_tensors`' matter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import Predictor, check_width, model_file
from tidewheel.registry.formats.onnx_session import LoneRow, open_session
from tidewheel.registry.formats.onnx_tensors import is_of_tables, onnx_tensors
from tidewheel.registry.mlflow_signature import mlflow_layout
from tidewheel.registry.tensors import read_layout

_FILE = "model.onnx"
_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxGraph:
    """Keeps `onnx.ModelProto` and the bytes of one."""

    name = "onnx"
    executes_code = False

    def takes(self, model: Any) -> bool:
        is_proto = hasattr(model, "SerializeToString") and type(model).__module__.split(".")[0] == "onnx"
        return isinstance(model, bytes) or is_proto

    def save(self, model: Any, folder: Path) -> None:
        (folder / _FILE).write_bytes(model if isinstance(model, bytes) else model.SerializeToString())

    def load(self, folder: Path) -> Predictor:
        path = model_file(folder, (_FILE,))
        session, declared = open_session(path), read_layout(folder)
        if declared is None and is_of_tables(session):
            return OnnxPredictor(path, session=session)
        return onnx_tensors(session, declared or mlflow_layout(folder))


class OnnxPredictor:
    """A graph in an onnxruntime session. A lone row takes a shorter way: see `LoneRow`."""

    def __init__(self, path: Path, *, output: str | None = None, drop_first: bool = False, session: Any = None) -> None:
        """Load a graph.

        Args:
            path: the graph.
            output: the one output that answers; default all that are floats, else all that are integers.
            drop_first: leave out the first column, as of the probabilities of two classes.
            session: the graph's, if it is open already.

        Raises:
            Corrupt: if onnxruntime cannot read it, or it has no such output.
            InvalidInput: if its inputs or outputs are not tables of floats.
        """
        self._session = session or open_session(path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _FLOATS or len(inputs[0].shape) != 2:
            raise InvalidInput(
                f"The graph takes {[(i.name, i.type, i.shape) for i in inputs]}.",
                fix="Export it with one float tensor of shape (rows, features) as its input.",
            )
        self._input, self._dtype = inputs[0].name, _FLOATS[inputs[0].type]
        self._width = inputs[0].shape[1]
        self._first_column = 1 if drop_first else 0
        self._outputs = self._choose_outputs(output, path)
        self._lone_row = LoneRow.of(self._session, self._outputs, self._dtype)
        self._lone_shape = (1, self._width) if self._lone_row else None

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if rows.shape == self._lone_shape and self._lone_row is not None:
            answer = self._lone_row.ask(rows)
            if answer is not None:
                return answer[:, 1:] if self._first_column else answer
        check_width(rows, self._width if isinstance(self._width, int) else rows.shape[-1])
        answers = self._session.run(self._outputs, {self._input: rows.astype(self._dtype, copy=False)})
        columns = [np.asarray(answer, dtype=np.float64).reshape(len(rows), -1) for answer in answers]
        outputs = columns[0] if len(columns) == 1 else np.hstack(columns)
        return outputs[:, 1:] if self._first_column else outputs

    def _choose_outputs(self, wanted: str | None, path: Path) -> list[str]:
        outputs = self._session.get_outputs()
        if wanted is not None:
            if wanted not in {output.name for output in outputs}:
                raise Corrupt(f"The graph has no output {wanted!r}.", where=str(path), fix="Register the model again.")
            return [wanted]
        floats = [output.name for output in outputs if output.type in _FLOATS]
        chosen = floats or [output.name for output in outputs if output.type.startswith("tensor(int")]
        if not chosen:
            raise InvalidInput(
                f"The graph gives {[(o.name, o.type) for o in outputs]}, and none is a tensor of numbers.",
                fix="Export classifiers without a ZipMap (skl2onnx: options={'zipmap': False}).",
            )
        return chosen
