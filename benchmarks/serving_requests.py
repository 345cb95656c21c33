"""What `bench_serving` asks: the same rows in the shape that each server takes, and how its answer is read.

A shape is a protocol's way to write a table and to read a column. Rows are float32 and written so that every server
reads the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
GRPC_PATH = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent any number of times."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def http(self) -> bytes:
        """It as HTTP/1.1."""
        lines = [f"POST {self.path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class Shape:
    """How a server is asked for a model's answers to rows, and how its answer's body is read: (rows,) floats."""

    write: Callable[[str, Rows], Request]
    read: Callable[[bytes], list[float]]


def _rows_json(model: str, rows: Rows) -> Request:
    return Request("/predict", json.dumps({"rows": _plain(rows)}).encode(), {"Content-Type": "application/json"})


def _root_json(model: str, rows: Rows) -> Request:
    return Request("/", json.dumps({"rows": _plain(rows)}).encode(), {"Content-Type": "application/json"})


def _raw(model: str, rows: Rows) -> Request:
    return Request("/binary", rows.astype("<f4").tobytes(), {"Content-Type": "application/octet-stream"})


def _protocol_json(model: str, rows: Rows) -> Request:
    data = [value for row in _plain(rows) for value in row]
    tensor = {"name": "features", "datatype": "FP32", "shape": list(rows.shape), "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()
    return Request(f"/v2/models/{model}/infer", body, {"Content-Type": "application/json"})


def _protocol_binary(model: str, rows: Rows) -> Request:
    raw = rows.astype("<f4").tobytes()
    tensor = {"name": "features", "datatype": "FP32", "shape": list(rows.shape)}
    tensor["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Request(f"/v2/models/{model}/infer", head + raw, headers)


def _protocol_grpc(model: str, rows: Rows) -> Request:
    """ModelInferRequest, written by hand: https://protobuf.dev/programming-guides/encoding.

    Fields: model_name 1, inputs 5 {name 1, datatype 2, shape 3}, raw_input_contents 7; in gRPC's five bytes of frame.
    """
    shape = b"".join(_varint(size) for size in rows.shape)
    tensor = _field(1, b"features") + _field(2, b"FP32") + _field(3, shape)
    message = _field(1, model.encode()) + _field(5, tensor) + _field(7, rows.astype("<f4").tobytes())
    framed = b"\0" + len(message).to_bytes(4, "big") + message
    return Request(GRPC_PATH, framed, {"content-type": "application/grpc", "te": "trailers"})


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _plain(rows: Rows) -> list[list[float]]:
    """Rows as JSON numbers, at the length that a client of float32 features sends."""
    return [[float(str(value)) for value in row] for row in rows]


def _read_answers(body: bytes) -> list[float]:
    found = json.loads(body)
    return found["answers"] if isinstance(found, dict) else found


def _read_protocol(body: bytes) -> list[float]:
    return json.loads(body)["outputs"][0]["data"]


def _read_binary(body: bytes) -> list[float]:
    """The JSON head ends where its object does; one output's values follow."""
    head, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    kind = {"FP32": "<f4", "FP64": "<f8"}[head["outputs"][0]["datatype"]]
    return np.frombuffer(body, kind, offset=end).tolist()


ROWS = Shape(_rows_json, _read_answers)
ROOT = Shape(_root_json, _read_answers)
RAW = Shape(_raw, lambda body: np.frombuffer(body, "<f4").tolist())
PROTOCOL = Shape(_protocol_json, _read_protocol)
BINARY = Shape(_protocol_binary, _read_binary)
GRPC = Shape(_protocol_grpc, _read_binary)
"""Read by `serving_peers/ask_grpc.py`, which asks with tritonclient."""
