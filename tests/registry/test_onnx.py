"""ONNX graphs, written here in protobuf's wire format by hand so that the `onnx` package is not needed."""

import numpy as np
import pytest

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import saving_format

pytest.importorskip("onnxruntime")
FLOAT, INT64, DOUBLE = 1, 7, 11


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor_info(name: str, kind: int, columns: int | None) -> bytes:
    width = field(1, columns) if columns is not None else field(2, "k")
    shape = field(1, field(2, "n")) + field(1, width)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def product_graph(weights: np.ndarray, kind: int = FLOAT, with_label: bool = False) -> bytes:
    """rows @ weights, and beside it, as classifiers do, the index of the largest."""
    dtype = {FLOAT: np.float32, DOUBLE: np.float64, INT64: np.int64}[kind]
    dims = b"".join(field(1, size) for size in weights.shape)
    initializer = dims + field(2, kind) + field(8, "w") + field(9, weights.astype(dtype).tobytes())
    graph = field(1, field(1, "x") + field(1, "w") + field(2, "p") + field(4, "MatMul")) + field(2, "g")
    graph += field(5, initializer) + field(11, tensor_info("x", kind, weights.shape[0]))
    if with_label:
        axis = field(5, field(1, "axis") + field(3, 1) + field(20, 2))
        graph += field(1, field(1, "p") + field(2, "label") + field(4, "ArgMax") + axis)
        graph += field(12, tensor_info("label", INT64, 1))
    graph += field(12, tensor_info("p", kind, weights.shape[1]))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


WEIGHTS = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 3.0]])


@pytest.mark.parametrize("kind", [FLOAT, DOUBLE])
@pytest.mark.parametrize("with_label", [False, True])
def test_a_graph_answers_with_its_float_outputs(tmp_path, kind, with_label):
    graph = product_graph(WEIGHTS, kind, with_label)
    kept = saving_format(graph)
    assert kept.name == "onnx"
    kept.save(graph, tmp_path)
    rows = np.random.default_rng(1).normal(size=(20, 3))
    predictor = kept.load(tmp_path)
    np.testing.assert_allclose(predictor.predict(rows), rows @ WEIGHTS, rtol=1e-5, atol=1e-6)
    assert predictor.predict(rows[:1]).dtype == np.float64
    with pytest.raises(InvalidInput, match="takes rows of 3 features"):
        predictor.predict(np.zeros((1, 2)))


def test_a_graph_that_takes_integers_is_asked_with_integers(tmp_path):
    graph = product_graph(np.eye(3), INT64)
    kept = saving_format(graph)
    kept.save(graph, tmp_path)
    predictor = kept.load(tmp_path)
    assert [(spec.name, spec.shape, spec.dtype) for spec in predictor.layout.inputs] == [("x", (-1, 3), "int64")]
    assert predictor.predict(np.array([[1.0, 2.0, 3.0]])).tolist() == [[1.0, 2.0, 3.0]]


def test_bytes_that_are_no_graph_are_corrupt(tmp_path):
    kept = saving_format(b"nothing")
    kept.save(b"nothing", tmp_path)
    with pytest.raises(Corrupt, match="onnxruntime cannot read"):
        kept.load(tmp_path)
