"""An answer as tensors: what every protocol's codec writes. A table's outputs are FP64, others of their own datatype.

https://github.com/kserve/open-inference-protocol, tensor data types. Called by `inference_codec`, `rest`, `scoring` and
`grpc`, on the hot path: for a table nothing is copied. Pure.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.serving.worker.calls import Answer

DATATYPES: dict[str, str] = {
    "bool": "BOOL",
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}
"""The protocol's name of each dtype of a `TensorSpec`."""

AnswerTensor = tuple[str, str, list[int], NDArray[Any]]
"""Name, datatype, shape and values; the values may lie in another shape of as many."""

_IS_LITTLE = sys.byteorder == "little"


def answer_tensors(answer: Answer) -> list[AnswerTensor]:
    """The tensors of an answer; an explanation's come behind the model's own."""
    found = model_tensors(answer)
    if answer.explanation is not None:
        arrays = [(name, values) for name, values in answer.explanation.items() if not isinstance(values, str)]
        found += [(name, "FP64", list(values.shape), values) for name, values in arrays]
    return found


def model_tensors(answer: Answer) -> list[AnswerTensor]:
    """The model's own tensors, in the order of its signature."""
    version, outputs = answer.version, answer.outputs
    if version.output_tensors:
        return _cut(answer)
    names, rows = version.outputs, outputs.shape[0]
    if len(names) == 1:
        return [(names[0], "FP64", [rows] if outputs.shape[1] == 1 else list(outputs.shape), outputs)]
    return [(name, "FP64", [rows], column) for name, column in zip(names, outputs.T, strict=True)]


def raw_bytes(values: NDArray[Any]) -> bytes:
    """Values as the protocol's binary data: little-endian, in row-major order."""
    return (values if _IS_LITTLE else values.byteswap()).tobytes()


def _cut(answer: Answer) -> list[AnswerTensor]:
    """The tensors that lie in the columns of an answer, each in its own dtype."""
    outputs, found, start = answer.outputs, list[AnswerTensor](), 0
    for spec in answer.version.output_tensors:
        shape = [len(outputs), *spec.row_shape]
        with np.errstate(invalid="ignore"):
            values = outputs[:, start : start + spec.width].reshape(shape).astype(spec.dtype)
        found.append((spec.name, DATATYPES[spec.dtype], shape, values))
        start += spec.width
    return found
