"""onnxruntime as a runtime for models of other formats: in 32-bit floats, in 64-bit floats, and quantised to 8 bits.

Their folders hold `model.onnx` and `graph.json`, which says what of the graph's outputs answers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from tidewheel.base.errors import Corrupt, Unavailable
from tidewheel.registry.formats import model_file
from tidewheel.registry.formats.onnx_graph import OnnxPredictor
from tidewheel.registry.runtimes import CannotConvert

_MODEL, _ANSWER = "model.onnx", "graph.json"
_PRODUCTS = {"MatMul", "Gemm", "Conv", "LSTM", "GRU", "Attention"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Which output of a graph answers (None: all that are floats), and whether its first column is left out."""

    output: str | None = None
    drop_first: bool = False


class Onnx:
    """A graph that takes 32-bit floats."""

    name = "onnx"
    lossy = False
    _double = False

    def convert(self, format_name: str, folder: Path, into: Path) -> None:
        if format_name == "onnx":
            raise CannotConvert("The model is an ONNX graph already.")
        from tidewheel.registry.runtimes.onnx_conversion import make_graph

        graph = make_graph(format_name, folder, double=self._double)
        (into / _MODEL).write_bytes(graph.proto.SerializeToString())
        answer = Answer(output=graph.output, drop_first=graph.drop_first)
        (into / _ANSWER).write_bytes(msgspec.json.encode(answer))

    def load(self, folder: Path) -> OnnxPredictor:
        try:
            answer = msgspec.json.decode((folder / _ANSWER).read_bytes(), type=Answer)
        except (OSError, msgspec.DecodeError) as error:
            raise Corrupt(
                f"{_ANSWER} cannot be read: {error}.", where=str(folder), fix="Register the model again."
            ) from None
        return OnnxPredictor(model_file(folder, (_MODEL,)), output=answer.output, drop_first=answer.drop_first)


class OnnxDouble(Onnx):
    """A graph that takes 64-bit floats: slower than 32, and nearer to the model where values lie close to splits."""

    name = "onnx_double"
    _double = True


class OnnxInt8(Onnx):
    """A graph whose matrix products are of 8-bit integers: a quarter of the bytes, and of other answers."""

    name = "onnx_int8"
    lossy = True

    def convert(self, format_name: str, folder: Path, into: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            whole = Path(scratch)
            if format_name == "onnx":
                (whole / _MODEL).write_bytes(model_file(folder, (_MODEL,)).read_bytes())
                (whole / _ANSWER).write_bytes(msgspec.json.encode(Answer()))
            else:
                super().convert(format_name, folder, whole)
            _quantize(whole / _MODEL, into / _MODEL)
            (into / _ANSWER).write_bytes((whole / _ANSWER).read_bytes())


def _quantize(whole: Path, into: Path) -> None:
    """Dynamic quantisation by onnxruntime: weights once, per tensor; inputs at each call.

    Raises:
        CannotConvert: if the graph has no product of matrices with constant weights.
    """
    from tidewheel.registry.runtimes.onnx_conversion import quiet

    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise Unavailable(f"Quantisation needs {error.name}.", fix='pip install "tidewheel[runtimes]".') from None
    if not _PRODUCTS & {node.op_type for node in onnx.load(whole).graph.node}:
        raise CannotConvert("There is nothing to quantise: the model multiplies no matrices, as trees never do.")
    with quiet():
        try:
            quantize_dynamic(whole, into, weight_type=QuantType.QInt8)
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise CannotConvert(f"onnxruntime cannot quantise the graph: {type(error).__name__}: {error}.") from error
