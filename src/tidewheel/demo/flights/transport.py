"""The replay's way to a platform: real HTTP to the inference workers, datasets through the platform's own verb."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from tidewheel.app import Platform
from tidewheel.demo.flights.model import REQUEST
from tidewheel.demo.flights.timetable import Batch, Timetable
from tidewheel.demo.http import Connections

ENDPOINT = "late"
_ENTITIES = ("carrier", "origin")
_encode = msgspec.json.Encoder().encode


class _Output(msgspec.Struct):
    name: str
    data: list[float]


class _Response(msgspec.Struct):
    outputs: list[_Output]


_decode = msgspec.json.Decoder(_Response).decode


class HttpTransport:
    """Speaks Open Inference Protocol v2 to the endpoint `late`. Every method returns once it was acknowledged."""

    def __init__(self, connections: Connections, platform: Platform, timetable: Timetable) -> None:
        self.connections = connections
        self._platform = platform
        self._timetable = timetable
        self._keys = {entity: timetable.flights[entity].to_numpy() for entity in _ENTITIES}

    async def ask(self, batch: Batch) -> list[float] | None:
        """The chance of being late of each flight of a batch; None if there was no answer."""
        answer = await self.connections.post(f"/v2/models/{ENDPOINT}/infer", self._question(batch))
        return None if answer is None else _decode(answer).outputs[0].data

    async def push(self, view: str, events: dict[str, list[Any]]) -> None:
        """Count events into an online view."""
        body = _encode({"push_source_name": view, "df": events, "to": "online"})
        await self.connections.post("/push", body)

    async def label(self, ids: Sequence[str], late: Sequence[float], landed_us: Sequence[int]) -> None:
        """The truth about earlier predictions."""
        labels = [
            {"id": each, "at": at_us, "values": {"late": truth}}
            for each, truth, at_us in zip(ids, late, landed_us, strict=True)
        ]
        await self.connections.post("/api/v1/serving/labels", _encode({"labels": labels}))

    async def append(self, dataset: str, rows: pa.Table, message: str = "") -> None:
        """A commit of rows."""
        await asyncio.to_thread(self._platform.data.append, dataset, rows, message)

    async def materialize(self, feature_set: str) -> None:
        """Fill the online views from the datasets."""
        await asyncio.to_thread(self._platform.features.materialize, feature_set)

    def _question(self, batch: Batch) -> bytes:
        """The flights' entity keys and what the timetable says of them; features are the worker's business."""
        rows = slice(batch.first, batch.stop)
        inputs = [_tensor(entity, "BYTES", self._keys[entity][rows]) for entity in _ENTITIES]
        inputs += [_tensor(name, "FP64", self._timetable.requests[name][rows]) for name in REQUEST]
        return _encode({"id": batch.request_id, "inputs": inputs, "parameters": {"key": batch.request_id}})


def _tensor(name: str, kind: str, column: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {"name": name, "shape": [len(column)], "datatype": kind, "data": column.tolist()}
