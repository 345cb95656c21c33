"""Tensors as bytes: the binary extension of the Open Inference Protocol, which gRPC's raw contents share.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md: little-endian values
in row-major order; each BYTES element is its length in four bytes, then itself. Pure; called by `rest` and `grpc`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.inference_codec import INTEGERS, Tensor, check_shape, not_numbers, not_texts

DTYPES: dict[str, str] = {
    "BOOL": "<u1",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "BF16": "<u2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_length_at = struct.Struct("<I").unpack_from


@dataclass(frozen=True, slots=True)
class BinaryTensor:
    """One input whose values are bytes."""

    name: str
    datatype: str
    shape: list[int]
    raw: memoryview

    def numbers(self) -> NDArray[np.float64]:
        """A numeric tensor's values as float64, in its shape."""
        values = self._values().astype(np.float64)
        check_shape(self.name, self.shape, len(values))
        return values.reshape(self.shape)

    def texts(self) -> list[str]:
        """A BYTES tensor's elements as strings; integers are taken as their digits."""
        if self.datatype == "BYTES":
            try:
                values = [str(element, "utf-8") for element in split_elements(self.name, self.raw)]
            except UnicodeDecodeError as error:
                raise InvalidInput(f"The input {self.name!r} holds text that is not UTF-8: {error}.") from None
        elif self.datatype in INTEGERS:
            values = [str(value) for value in self._values().tolist()]
        else:
            raise not_texts(self.name, self.datatype)
        check_shape(self.name, self.shape, len(values))
        return values

    def _values(self) -> NDArray[np.generic]:
        dtype = DTYPES.get(self.datatype)
        if dtype is None:
            raise not_numbers(self.name, self.datatype)
        width = np.dtype(dtype).itemsize
        if len(self.raw) % width:
            raise InvalidInput(
                f"The input {self.name!r} has {len(self.raw)} bytes, which are no whole number of {self.datatype}.",
                fix=f"Each value takes {width} bytes.",
            )
        values = np.frombuffer(self.raw, dtype)
        if self.datatype == "BF16":  # the upper half of a float32
            return (values.astype("<u4") << 16).view("<f4")
        return values


def split_elements(name: str, raw: memoryview) -> list[memoryview]:
    """The elements of a BYTES tensor.

    Raises:
        InvalidInput: if the last of them is cut short.
    """
    found: list[memoryview] = []
    position = 0
    while position < len(raw):
        start = position + 4
        end = start + _length_at(raw, position)[0] if start <= len(raw) else start
        if end > len(raw):
            raise InvalidInput(
                f"The input {name!r} ends within its element {len(found)}.",
                fix="Each element of a BYTES tensor is its length in 4 bytes, little-endian, and then its bytes.",
            )
        found.append(raw[start:end])
        position = end
    return found


def cut_tensors(tensors: list[Tensor], data: memoryview) -> list[Tensor | BinaryTensor]:
    """The inputs of a request whose binary data lie, in the order of the inputs, in `data`.

    Raises:
        InvalidInput: if the sizes do not add up to the data, or are no sizes.
    """
    found: list[Tensor | BinaryTensor] = []
    position = 0
    for tensor in tensors:
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            found.append(tensor)
            continue
        if type(size) is not int or not 0 <= size <= len(data) - position:
            raise InvalidInput(
                f"The input {tensor.name!r} is said to have {size!r:.40} bytes, and {len(data) - position} are left.",
                where="parameters.binary_data_size",
            )
        raw = data[position : position + size]
        found.append(BinaryTensor(tensor.name, tensor.datatype, tensor.shape, raw))
        position += size
    if position != len(data):
        raise InvalidInput(
            f"The inputs' binary_data_size add up to {position} bytes, and {len(data)} follow the JSON.",
            fix="Send the length of the JSON in Inference-Header-Content-Length, and each input's bytes behind it.",
        )
    return found
