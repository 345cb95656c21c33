"""The inputs of a gRPC request: values in the typed lists of a message, or raw bytes beside all inputs.

Raw ones are `binary_tensors`' matter. Pure; what is wrong with a tensor's values is said when it is known what they are
for, what is wrong with the message at once. Called by `codec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.binary_tensors import DTYPES, BinaryTensor
from tidewheel.serving.worker.calls import Input
from tidewheel.serving.worker.inference_codec import INTEGERS, check_shape, not_numbers, not_texts

CONTENTS: dict[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The list of `InferTensorContents` that a datatype's values are in; FP16 and BF16 have none."""


@dataclass(frozen=True, slots=True)
class TypedTensor:
    """One input whose values are in a list of its message."""

    name: str
    datatype: str
    shape: list[int]
    values: Sequence[Any]

    def numbers(self) -> NDArray[np.float64]:
        """A numeric tensor's values as float64, in its shape."""
        if self.datatype == "BYTES":
            raise not_numbers(self.name, self.datatype)
        check_shape(self.name, self.shape, len(self.values))
        return self._values().astype(np.float64).reshape(self.shape)

    def texts(self) -> list[str]:
        """A BYTES tensor's elements as strings; integers are taken as their digits."""
        if self.datatype == "BYTES":
            try:
                texts = [value.decode() for value in self.values]
            except UnicodeDecodeError as error:
                raise InvalidInput(f"The input {self.name!r} holds text that is not UTF-8: {error}.") from None
        elif self.datatype in INTEGERS:
            texts = [str(value) for value in self._values().tolist()]
        else:
            raise not_texts(self.name, self.datatype)
        check_shape(self.name, self.shape, len(texts))
        return texts

    def _values(self) -> NDArray[np.generic]:
        """The values; those of 8 and 16 bits lie in lists of 32, and must fit all the same."""
        dtype = np.dtype(DTYPES[self.datatype])
        try:
            return np.array(self.values, dtype)
        except OverflowError:
            raise InvalidInput(f"The input {self.name!r} holds a value that is not {self.datatype}.") from None


def read_inputs(request: Any) -> list[Input]:
    """The inputs of a `ModelInferRequest`.

    Raises:
        InvalidInput: if it is not clear which values are an input's.
    """
    inputs, raw = request.inputs, request.raw_input_contents
    if not raw:
        return [_typed(tensor) for tensor in inputs]
    if len(raw) != len(inputs):
        raise InvalidInput(
            f"The request has {len(inputs)} inputs and {len(raw)} raw_input_contents.",
            fix="Send the bytes of each input, in the order of the inputs, or contents for all of them.",
        )
    return [_raw(tensor, data) for tensor, data in zip(inputs, raw, strict=True)]


def _raw(tensor: Any, data: bytes) -> BinaryTensor:
    _refuse_shared_memory(tensor)
    if tensor.HasField("contents"):
        raise InvalidInput(
            f"The input {tensor.name!r:.100} has contents, and the request raw_input_contents.",
            fix="Send one of them.",
        )
    return BinaryTensor(tensor.name, tensor.datatype, list(tensor.shape), memoryview(data))


def _typed(tensor: Any) -> TypedTensor:
    _refuse_shared_memory(tensor)
    datatype = tensor.datatype
    contents = CONTENTS.get(datatype)
    if contents is None:
        known = f"{datatype} values go in raw_input_contents." if datatype in DTYPES else "Use FP64, INT64, BYTES, …."
        raise InvalidInput(
            f"The input {tensor.name!r:.100} has datatype {datatype!r:.40}, which no contents are of.", fix=known
        )
    others = [field.name for field, _ in tensor.contents.ListFields() if field.name != contents]
    if others:
        raise InvalidInput(
            f"The input {tensor.name!r:.100} has datatype {datatype} and values in {others[0]}.",
            fix=f"Values of {datatype} go in {contents}.",
        )
    return TypedTensor(tensor.name, datatype, list(tensor.shape), getattr(tensor.contents, contents))


def _refuse_shared_memory(tensor: Any) -> None:
    if tensor.parameters and "shared_memory_region" in tensor.parameters:
        raise InvalidInput(
            f"The input {tensor.name!r:.100} is in shared memory, which is not offered.", fix="Send its values."
        )
