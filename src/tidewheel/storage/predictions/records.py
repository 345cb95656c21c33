"""What the prediction log holds, and how it is written.

    payload = a record as a MessagePack array, or
              0xc1 (which MessagePack never uses), the number of rows (uint32, little-endian), a `RowsPrediction` as one

The order of fields is the format; new ones go last.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The first fields of a prediction. Read as this, the rest is skipped, which makes indexing cheap."""

    id: str
    at_us: int
    endpoint: str
    version: str
    arm: str
    """"live", "shadow" (mirrored, never answered) or "direct" (asked for by version)."""


class Prediction(Head, array_like=True, frozen=True):
    """One answered row."""

    unit: str
    """What the route was chosen by: the caller's key, or the switchback's cell."""
    status: int
    latency_us: int
    entities: dict[str, str]
    features: bytes
    """The model's inputs in the order of its signature, as little-endian float64; empty where the request had none."""
    outputs: bytes
    """The model's outputs as little-endian float64; empty where it failed."""
    row: int = -1
    """Which row of its request it answers; -1: the request had one. Row i of the request `<id>` is named `<id>:<i>`."""

    @property
    def request_id(self) -> str:
        """The id that the rows of its request share."""
        return self.id if self.row < 0 else self.id.removesuffix(f":{self.row}")

    def feature_values(self) -> NDArray[np.float64]:
        """The features as numbers."""
        return np.frombuffer(self.features, dtype="<f8")

    def output_values(self) -> NDArray[np.float64]:
        """The outputs as numbers."""
        return np.frombuffer(self.outputs, dtype="<f8")


class RowsPrediction(Head, array_like=True, frozen=True):
    """The answered rows of one request, as they are written: once what they share, and two blocks of numbers.

    Read as a `Prediction` a row, `<id>:<i>` for row i.
    """

    unit: str
    status: int
    latency_us: int
    entities: dict[str, list[str]]
    """The keys of each entity, one a row."""
    features: bytes
    """All rows' features, one row behind another."""
    outputs: bytes


class Label(msgspec.Struct, array_like=True, frozen=True):
    """What turned out to be true about the prediction `id`, for instance ``{"accepted": 1.0, "value": 12.5}``."""

    id: str
    at_us: int
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class LogBatch:
    """What `PredictionLog.read` found after a cursor; `more` says that reading again at once will find more."""

    predictions: list[Prediction]
    labels: list[Label]
    cursor: dict[str, int]
    more: bool


_ROWS_MARK = 0xC1
_rows_head = struct.Struct("<BI")
_encode = msgspec.msgpack.Encoder().encode
_decode_prediction = msgspec.msgpack.Decoder(Prediction).decode
_decode_rows = msgspec.msgpack.Decoder(RowsPrediction).decode
_decode_head = msgspec.msgpack.Decoder(Head).decode


def encode(record: Prediction | Label) -> bytes:
    """The payload of a lone record."""
    return _encode(record)


def encode_rows(record: RowsPrediction, rows: int) -> bytes:
    """The payload of a request of `rows` rows."""
    return _rows_head.pack(_ROWS_MARK, rows) + _encode(record)


def count_rows(payload: bytes) -> int:
    """How many records a payload is read as."""
    return int(_rows_head.unpack_from(payload)[1]) if payload[0] == _ROWS_MARK else 1


def decode_predictions(payload: bytes) -> list[Prediction]:
    """The predictions of a payload, a row each."""
    if payload[0] != _ROWS_MARK:
        return [_decode_prediction(payload)]
    rows, of = count_rows(payload), _decode_rows(memoryview(payload)[_rows_head.size :])
    width, depth = len(of.features) // rows, len(of.outputs) // rows
    return [
        Prediction(
            f"{of.id}:{row}",
            of.at_us,
            of.endpoint,
            of.version,
            of.arm,
            of.unit,
            of.status,
            of.latency_us,
            {name: keys[row] for name, keys in of.entities.items()},
            of.features[row * width : (row + 1) * width],
            of.outputs[row * depth : (row + 1) * depth],
            row,
        )
        for row in range(rows)
    ]


def heads(payload: bytes) -> Iterator[Head]:
    """The heads of a payload's predictions, a row each."""
    if payload[0] != _ROWS_MARK:
        yield _decode_head(payload)
        return
    head = _decode_head(memoryview(payload)[_rows_head.size :])
    for row in range(count_rows(payload)):
        yield msgspec.structs.replace(head, id=f"{head.id}:{row}")


decode_label = msgspec.msgpack.Decoder(Label).decode
