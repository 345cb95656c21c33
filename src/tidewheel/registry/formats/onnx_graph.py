"""ONNX graphs, run by onnxruntime on one core.

A graph must take one two-dimensional tensor of floats. Its float outputs are laid side by side; where it has any, its
integer outputs (the labels that classifiers add beside their probabilities) are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput, Unavailable
from tidewheel.registry.formats import check_width, model_file

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

    def load(self, folder: Path) -> OnnxPredictor:
        return OnnxPredictor(model_file(folder, (_FILE,)))


class OnnxPredictor:
    """A graph in an onnxruntime session."""

    def __init__(self, path: Path) -> None:
        """Load a graph.

        Raises:
            Corrupt: if onnxruntime cannot read it.
            InvalidInput: if its inputs or outputs are not tables of floats.
        """
        self._session = _open_session(path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _FLOATS or len(inputs[0].shape) != 2:
            raise InvalidInput(
                f"The graph takes {[(i.name, i.type, i.shape) for i in inputs]}.",
                fix="Export it with one float tensor of shape (rows, features) as its input.",
            )
        self._input, self._dtype = inputs[0].name, _FLOATS[inputs[0].type]
        self._width = inputs[0].shape[1]
        self._outputs = self._choose_outputs()

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        check_width(rows, self._width if isinstance(self._width, int) else rows.shape[-1])
        answers = self._session.run(self._outputs, {self._input: rows.astype(self._dtype, copy=False)})
        columns = [np.asarray(answer, dtype=np.float64).reshape(len(rows), -1) for answer in answers]
        return columns[0] if len(columns) == 1 else np.hstack(columns)

    def _choose_outputs(self) -> list[str]:
        outputs = self._session.get_outputs()
        floats = [output.name for output in outputs if output.type in _FLOATS]
        chosen = floats or [output.name for output in outputs if output.type.startswith("tensor(int")]
        if not chosen:
            raise InvalidInput(
                f"The graph gives {[(o.name, o.type) for o in outputs]}, and none is a tensor of numbers.",
                fix="Export classifiers without a ZipMap (skl2onnx: options={'zipmap': False}).",
            )
        return chosen


def _open_session(path: Path) -> Any:
    try:
        import onnxruntime as ort
    except ImportError:
        raise Unavailable("onnxruntime is not installed here.", fix='pip install "tidewheel[onnx]".') from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base but Exception
        raise Corrupt(f"onnxruntime cannot read the graph: {error}", where=str(path)) from error
