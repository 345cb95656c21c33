"""The content types of MLServer's clients: what a request's values are, beyond their datatype.

https://mlserver.readthedocs.io, "Content types": a request or an input carries `content_type` among its parameters.
`pd` is a table with a tensor per column, whose text-typed columns may hold anything a DataFrame's object column does;
`base64` is text behind base64; `np` and `str` add nothing to the datatype. Called by `rest`; pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.calls import Input
from tidewheel.serving.worker.columns import Cell, Column
from tidewheel.serving.worker.inference_codec import FLOATS, Tensor, check_shape

CONTENT_TYPES = ("np", "pd", "str", "base64")
_decode_cells = msgspec.json.Decoder(list[Cell]).decode
_decode_rows = msgspec.json.Decoder(list[list[Cell]]).decode


@dataclass(frozen=True, slots=True)
class TableTensor:
    """A column of a DataFrame as a tensor; whatever its datatype, null is a missing value."""

    tensor: Tensor

    @property
    def name(self) -> str:
        return self.tensor.name

    def numbers(self) -> NDArray[np.float64]:
        """The values as float64, (rows,)."""
        return self._column().numbers()

    def texts(self) -> list[str]:
        """The values as strings."""
        return self._column().texts()

    def _column(self) -> Column:
        tensor = self.tensor
        try:
            try:
                cells = _decode_cells(tensor.data)
            except msgspec.ValidationError:
                cells = [cell for row in _decode_rows(tensor.data) for cell in row]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(
                f"The data of the input {tensor.name!r} are no column of a table: {error}.",
                fix="Send an array of numbers, truth values, text or null.",
            ) from None
        check_shape(tensor.name, tensor.shape, len(cells))
        if len(cells) != tensor.shape[0]:
            raise InvalidInput(f"The input {tensor.name!r} has shape {tensor.shape}.", fix="A column is [rows, 1].")
        return Column(tensor.name, cells)


@dataclass(frozen=True, slots=True)
class EncodedInput:
    """An input whose elements are text that was base64-encoded."""

    inner: Input

    @property
    def name(self) -> str:
        return self.inner.name

    def numbers(self) -> NDArray[np.float64]:
        raise InvalidInput(f"The input {self.name!r} is base64 where numbers are wanted.", fix="Send numbers as FP64.")

    def texts(self) -> list[str]:
        """The decoded elements."""
        try:
            return [base64.b64decode(text, validate=True).decode() for text in self.inner.texts()]
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"The input {self.name!r} is not text in base64: {error}.") from None


def read_as_said(
    tensors: Sequence[Tensor], inputs: Sequence[Input], parameters: Mapping[str, Any] | None
) -> list[Input]:
    """The inputs, each read as its content type says; `inputs` are the tensors, or what stands for them in binary.

    Raises:
        InvalidInput: if a content type is none that is known here.
    """
    table = _content_type(parameters, "parameters.content_type") == "pd"
    found: list[Input] = []
    for tensor, given in zip(tensors, inputs, strict=True):
        own = _content_type(tensor.parameters, f"inputs.{tensor.name:.100}.parameters.content_type")
        if own == "base64":
            found.append(EncodedInput(given))
        elif (table or own == "pd") and given is tensor and tensor.datatype not in FLOATS:
            found.append(TableTensor(tensor))
        else:
            found.append(given)
    return found


def _content_type(parameters: Mapping[str, Any] | None, where: str) -> str | None:
    given = None if parameters is None else parameters.get("content_type")
    if given is not None and given not in CONTENT_TYPES:
        raise InvalidInput(
            f"The content type {given!r:.100} is not known here.", where=where, fix=f"Use {', '.join(CONTENT_TYPES)}."
        )
    return given
