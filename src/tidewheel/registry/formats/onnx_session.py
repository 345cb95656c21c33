"""Opens an onnxruntime session, and asks it for a lone row by a shorter way. Used by `onnx_graph.py` only.

Which execution providers it runs on is the setting `serving.onnx_providers`, read when a session opens, in whatever
process loads the model. It must never fail for a provider that this machine lacks: the CPU is always there.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tidewheel.base.errors import Corrupt, Unavailable
from tidewheel.base.settings import Settings

_log = logging.getLogger("tidewheel.registry")
_CPU = "CPUExecutionProvider"
_KINDS: dict[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


def open_session(path: Path) -> Any:
    """An `onnxruntime.InferenceSession` with one thread, on the providers of the setting that are here.

    Raises:
        Unavailable: if onnxruntime is not installed.
        Corrupt: if onnxruntime cannot read the graph.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise Unavailable("onnxruntime is not installed here.", fix='pip install "tidewheel[onnx]".') from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = choose_providers(Settings().get("serving.onnx_providers", str), ort.get_available_providers())
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no base but Exception
        raise Corrupt(f"onnxruntime cannot read the graph: {error}", where=str(path)) from error


def choose_providers(asked: str, available: list[str]) -> list[str]:
    """The providers of a comma-separated list that are available, in its order, and the CPU's last.

    >>> choose_providers("CUDAExecutionProvider", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    ['CUDAExecutionProvider', 'CPUExecutionProvider']
    """
    names = [name.strip() for name in asked.split(",") if name.strip() and name.strip() != _CPU]
    missing = [name for name in names if name not in available]
    if missing:
        _log.warning(
            "serving.onnx_providers asks for %s; this onnxruntime has %s. The rest of the list is used, then the CPU.",
            ", ".join(missing),
            ", ".join(available),
        )
    return [*(name for name in names if name in available), _CPU]


class LoneRow:
    """Buffers that are bound to a session once, so that one row costs no name look-ups and no allocation in it.

    Measured on 200 trees of 30 features, with all that goes around the call: 6.0 us a row, and 7.6 us by `session.run`
    (6.3 us bare). The buffers hold one row at a time: a thread that comes meanwhile is sent the long way (None).
    """

    @classmethod
    def of(cls, session: Any, outputs: list[str], dtype: DTypeLike) -> LoneRow | None:
        """Bound buffers, or None where the shape of a row's answer is not known beforehand or it runs on no CPU."""
        width = session.get_inputs()[0].shape[1]
        chosen = {output.name: output for output in session.get_outputs() if output.name in outputs}
        plain = all(each.type in _KINDS and _one_row(each.shape) for each in chosen.values())
        if not isinstance(width, int) or not plain or session.get_providers() != [_CPU]:
            return None
        answers = [np.zeros(_one_row(chosen[name].shape), _KINDS[chosen[name].type]) for name in outputs]
        return cls(session, np.zeros((1, width), dtype), dict(zip(outputs, answers, strict=True)))

    def __init__(self, session: Any, row: NDArray[Any], answers: dict[str, NDArray[Any]]) -> None:
        from onnxruntime import OrtValue

        self._run = session.run_with_iobinding
        self._binding = session.io_binding()
        self._row = row
        self._lock = threading.Lock()
        self._answers = [answer.reshape(1, -1) for answer in answers.values()]
        self._values = [OrtValue.ortvalue_from_numpy(row), *map(OrtValue.ortvalue_from_numpy, answers.values())]
        self._binding.bind_ortvalue_input(session.get_inputs()[0].name, self._values[0])
        for name, value in zip(answers, self._values[1:], strict=True):
            self._binding.bind_ortvalue_output(name, value)

    def ask(self, row: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The answer to a row of shape (1, features), as shape (1, outputs); None if another thread is asking."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            self._row[:] = row
            self._run(self._binding)
            if len(self._answers) == 1:
                return self._answers[0].astype(np.float64)
            return np.hstack(self._answers).astype(np.float64)
        finally:
            self._lock.release()


def _one_row(shape: list[Any]) -> tuple[int, ...]:
    """The shape of one row's answer: rows first, then columns of a known number; empty if that is not what it is."""
    rows, *columns = shape or [0]
    if len(shape) not in (1, 2) or (isinstance(rows, int) and rows != 1):
        return ()
    return (1, *columns) if all(isinstance(each, int) for each in columns) else ()
