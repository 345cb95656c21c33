"""The Open Inference Protocol v2 in JSON: requests to arrays, arrays to answers.

https://github.com/kserve/open-inference-protocol, REST. Called by `rest`; knows no model. Tensors' data are decoded by
their datatype, in one pass over the bytes; `null` in a floating-point tensor is a missing value, NaN. Tensors that lie
behind the JSON in binary are `binary_tensors`' matter.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.answer_tensors import answer_tensors
from tidewheel.serving.worker.calls import Answer
from tidewheel.serving.worker.python_json import with_nulls
from tidewheel.serving.worker.wrong_values import find_wrong_value

MAX_ROWS = 65_536
MOST_DIMENSIONS = 8
FLOATS = frozenset({"FP64", "FP32", "FP16", "BF16"})
INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_NO_DATA = msgspec.Raw(b"")


class Tensor(msgspec.Struct):
    """One input of a request; its data are decoded when it is known what they are for."""

    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw = msgspec.field(default_factory=lambda: _NO_DATA)  # a plain default has no place in a schema
    parameters: dict[str, Any] | None = None

    def numbers(self) -> NDArray[np.float64]:
        """A numeric tensor's data as float64, in its shape."""
        datatype = self.datatype
        values: NDArray[np.float64]
        try:
            if datatype in FLOATS:
                values = np.array(_floats.flat(self.data, self.shape), dtype=np.float64)
            elif datatype in INTEGERS:
                values = np.array(_integers.flat(self.data, self.shape), dtype=np.float64)
            elif datatype == "BOOL":
                values = np.array(_booleans.flat(self.data, self.shape), dtype=np.float64)
            else:
                raise not_numbers(self.name, datatype)
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
            raise _bad_data(self, error) from None
        check_shape(self.name, self.shape, len(values))
        return values.reshape(self.shape)

    def texts(self) -> list[str]:
        """A BYTES tensor's data as strings; integers are taken as their digits, as keys often are numbers."""
        try:
            if self.datatype == "BYTES":
                values: list[str] = _texts.flat(self.data, self.shape)
            elif self.datatype in INTEGERS:
                values = [str(value) for value in _integers.flat(self.data, self.shape)]
            else:
                raise not_texts(self.name, self.datatype)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _bad_data(self, error, as_texts=True) from None
        check_shape(self.name, self.shape, len(values))
        return values


class Values:
    """Reads a tensor's data, of values of one kind: a flat array, an array of rows, or arrays as deep as its shape."""

    __slots__ = ("_flat", "_kind", "_rows")

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._flat = _decoder(kind, 1)
        self._rows = _decoder(kind, 2)

    def flat(self, data: msgspec.Raw, shape: Sequence[int]) -> Any:
        """The values in row-major order."""
        try:
            return self._flat(data)
        except msgspec.ValidationError:
            if 2 < len(shape) <= MOST_DIMENSIONS:
                return self._flattened(data, shape)
            return [value for row in self._rows(data) for value in row]

    def _flattened(self, data: msgspec.Raw, shape: Sequence[int]) -> list[Any]:
        values: list[Any] = _decoder(self._kind, len(shape))(data)
        for place, size in enumerate(shape[1:], 1):
            if any(len(each) != size for each in values):
                raise msgspec.ValidationError(f"dimension {place} is not {size} everywhere, as their shape says")
            values = [value for each in values for value in each]
        return values


@cache
def _decoder(kind: Any, depth: int) -> Callable[[Any], Any]:
    """What reads arrays of values of one kind, nested so deep."""
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind).decode


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


class OutputTensor(msgspec.Struct, omit_defaults=True):
    """One output of an answer; `data` is left out where they follow in binary."""

    name: str
    datatype: str
    shape: list[int]
    data: Sequence[float | bool | None] | None = None
    parameters: dict[str, int] | None = None


class InferResponse(msgspec.Struct):
    """The body of an answer."""

    model_name: str
    model_version: str
    id: str
    parameters: dict[str, str]
    outputs: list[OutputTensor]


_decode_request = msgspec.json.Decoder(InferRequest).decode
_encode_response = msgspec.json.Encoder().encode
_floats = Values(float | None)
_integers = Values(int)
_booleans = Values(bool)
_texts = Values(str)


def decode_request(body: bytes | memoryview) -> InferRequest:
    """The request in a body.

    Raises:
        InvalidInput: if it is not JSON or not an inference request; the message says where.
    """
    try:
        return _decode_request(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refused = error
    mended = with_nulls(body)
    if mended is not None:
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            return _decode_request(mended)
    raise InvalidInput(
        f"The body is not an inference request: {refused}.",
        fix='Send {"inputs": [{"name": …, "datatype": "FP64", "shape": [1, 2], "data": [0.5, null]}]}.',
    )


def encode_response(answer: Answer, wanted: list[str] | None = None, binary: frozenset[str] | None = None) -> bytes:
    """The JSON of an answer. The data of the outputs in `binary` are left out, and their size is said instead."""
    tensors = []
    for name, datatype, shape, values in answer_tensors(answer):
        if wanted and name not in wanted and name in answer.version.outputs:
            continue
        if binary is not None and name in binary:
            tensors.append(OutputTensor(name, datatype, shape, None, {"binary_data_size": values.nbytes}))
        else:
            tensors.append(OutputTensor(name, datatype, shape, values.ravel().tolist()))
    version = answer.version
    parameters = {"version": version.id}
    if answer.explanation is not None:
        parameters |= {name: text for name, text in answer.explanation.items() if isinstance(text, str)}
    return _encode_response(InferResponse(answer.endpoint, version.number, answer.request_id, parameters, tensors))


def check_shape(name: str, shape: list[int], length: int) -> None:
    """Refuse a tensor whose values do not fill its shape, or that is not one row or more of one value or more."""
    size = 1
    for extent in shape:
        size *= max(extent, -1)
    if not 1 <= len(shape) <= MOST_DIMENSIONS or size != length or length == 0 or min(shape) < 1:
        raise InvalidInput(
            f"The input {name!r} has shape {shape[:8]} and {length} values.",
            fix=f"The shape must be [rows], [rows, columns] or of up to {MOST_DIMENSIONS} dimensions, and its product "
            "the number of values, at least 1.",
        )
    if shape[0] > MAX_ROWS:
        raise InvalidInput(f"The input {name!r} has {shape[0]} rows.", fix=f"Send at most {MAX_ROWS} at once.")


def not_numbers(name: str, datatype: str) -> InvalidInput:
    """The error of a tensor that holds no numbers where they are wanted."""
    return InvalidInput(
        f"The input {name!r} has datatype {datatype!r} where numbers are wanted.",
        fix="Use FP64, FP32, FP16, BF16, an integer type or BOOL.",
    )


def not_texts(name: str, datatype: str) -> InvalidInput:
    """The error of a tensor that holds no text where it is wanted."""
    return InvalidInput(f"The input {name!r} has datatype {datatype!r} where text is wanted.", fix="Use BYTES.")


def _bad_data(tensor: Tensor, error: Exception, *, as_texts: bool = False) -> InvalidInput:
    wrong = find_wrong_value(tensor.data, tensor.datatype, as_texts=as_texts)
    return InvalidInput(
        f"The data of the input {tensor.name!r} are not {tensor.datatype}: "
        f"{f'{wrong.place} {wrong.why}' if wrong else error}.",
        fix=wrong.fix if wrong else "Send a flat JSON array; null is a missing number.",
    )
