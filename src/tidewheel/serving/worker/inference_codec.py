"""The Open Inference Protocol v2 in JSON: requests to arrays, arrays to answers.

https://github.com/kserve/open-inference-protocol, REST. Called by `predict` and `model_inputs`; knows no model.
Tensors' data are decoded by their datatype, in one pass over the bytes; `null` in a floating-point tensor is a
missing value, NaN.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput

MAX_ROWS = 65_536
_FLOATS = frozenset({"FP64", "FP32", "FP16"})
_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})


class Tensor(msgspec.Struct):
    """One input of a request; its data are decoded when it is known what they are for."""

    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw
    parameters: dict[str, Any] | None = None

    def numbers(self) -> NDArray[np.float64]:
        """A numeric tensor's data as float64, in its shape."""
        datatype = self.datatype
        values: NDArray[np.float64]
        try:
            if datatype in _FLOATS:
                try:
                    flat = _decode_floats(self.data)
                except msgspec.ValidationError:
                    flat = [value for row in _decode_float_rows(self.data) for value in row]
                values = np.array(flat, dtype=np.float64)
            elif datatype in _INTEGERS:
                values = np.array(_decode_integers(self.data), dtype=np.float64)
            elif datatype == "BOOL":
                values = np.array(_decode_booleans(self.data), dtype=np.float64)
            else:
                raise InvalidInput(
                    f"The input {self.name!r} has datatype {datatype!r} where numbers are wanted.",
                    fix="Use FP64, FP32, an integer type or BOOL.",
                )
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
            raise _bad_data(self, error) from None
        return _shaped(self, values)

    def texts(self) -> list[str]:
        """A BYTES tensor's data as strings; integers are taken as their digits, as keys often are numbers."""
        try:
            if self.datatype == "BYTES":
                values = _decode_texts(self.data)
            elif self.datatype in _INTEGERS:
                values = [str(value) for value in _decode_integers(self.data)]
            else:
                raise InvalidInput(
                    f"The input {self.name!r} has datatype {self.datatype!r} where text is wanted.", fix="Use BYTES."
                )
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _bad_data(self, error) from None
        _check_shape(self, len(values))
        return values


class RequestedOutput(msgspec.Struct):
    """An output that the client asks for by name."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The body of an inference request."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


class OutputTensor(msgspec.Struct):
    """One output of an answer."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class InferResponse(msgspec.Struct):
    """The body of an answer."""

    model_name: str
    model_version: str
    id: str
    parameters: dict[str, str]
    outputs: list[OutputTensor]


class AnsweringVersion(Protocol):
    """What an answer says of the version that gave it."""

    @property
    def id(self) -> str: ...
    @property
    def number(self) -> str: ...
    @property
    def outputs(self) -> list[str]: ...


_decode_request = msgspec.json.Decoder(InferRequest).decode
_encode_response = msgspec.json.Encoder().encode
_decode_floats = msgspec.json.Decoder(list[float | None]).decode
_decode_float_rows = msgspec.json.Decoder(list[list[float | None]]).decode
_decode_integers = msgspec.json.Decoder(list[int]).decode
_decode_booleans = msgspec.json.Decoder(list[bool]).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode


def decode_request(body: bytes) -> InferRequest:
    """The request in a body.

    Raises:
        InvalidInput: if it is not JSON or not an inference request; the message says where.
    """
    try:
        return _decode_request(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"The body is not an inference request: {error}.",
            fix='Send {"inputs": [{"name": …, "datatype": "FP64", "shape": [1, 2], "data": [0.5, null]}]}.',
        ) from None


def encode_response(
    endpoint: str,
    version: AnsweringVersion,
    request_id: str,
    outputs: NDArray[np.float64],
    wanted: list[RequestedOutput] | None,
) -> bytes:
    """The answer's body. `outputs` is (rows, columns): a column each name, or all columns of a single name."""
    rows, names = outputs.shape[0], version.outputs
    if len(names) == 1:
        shape = [rows] if outputs.shape[1] == 1 else list(outputs.shape)
        tensors = [OutputTensor(names[0], "FP64", shape, outputs.ravel().tolist())]
    else:
        columns = zip(names, outputs.T.tolist(), strict=True)
        tensors = [OutputTensor(name, "FP64", [rows], column) for name, column in columns]
    if wanted:
        asked = {each.name for each in wanted}
        tensors = [tensor for tensor in tensors if tensor.name in asked]
    return _encode_response(InferResponse(endpoint, version.number, request_id, {"version": version.id}, tensors))


def check_outputs(wanted: list[RequestedOutput] | None, names: list[str]) -> None:
    """Refuse a request for outputs that there are not."""
    for each in wanted or ():
        if each.name not in names:
            raise InvalidInput(f"There is no output {each.name!r}.", fix=f"The outputs are: {', '.join(names)}.")


def _shaped(tensor: Tensor, values: NDArray[np.float64]) -> NDArray[np.float64]:
    _check_shape(tensor, len(values))
    return values.reshape(tensor.shape)


def _check_shape(tensor: Tensor, length: int) -> None:
    shape = tensor.shape
    size = 1
    for extent in shape:
        size *= max(extent, -1)
    if not 1 <= len(shape) <= 2 or size != length or length == 0 or min(shape) < 1:
        raise InvalidInput(
            f"The input {tensor.name!r} has shape {shape[:8]} and {length} values.",
            fix="The shape must be [rows] or [rows, columns], and its product the number of values, at least 1.",
        )
    if shape[0] > MAX_ROWS:
        raise InvalidInput(f"The input {tensor.name!r} has {shape[0]} rows.", fix=f"Send at most {MAX_ROWS} at once.")


def _bad_data(tensor: Tensor, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"The data of the input {tensor.name!r} are not {tensor.datatype}: {error}.",
        fix="Send a flat JSON array; null is a missing number.",
    )
