"""The market's way to a platform: real HTTP to the inference workers, the dataset through the platform's own verb."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from tidewheel.app import Platform
from tidewheel.demo.http import Connections
from tidewheel.demo.market.driver import Answer, Settled, ride_columns
from tidewheel.demo.market.quotes import Quote

REQUEST_VALUES = ("drivers", "rain", "base_fare", "hour", "centre_km", "offered")
_encode = msgspec.json.Encoder().encode


class _Output(msgspec.Struct):
    name: str
    data: list[float]


class _Response(msgspec.Struct):
    model_version: str
    outputs: list[_Output]


_decode = msgspec.json.Decoder(_Response).decode


class HttpTransport:
    """Speaks Open Inference Protocol v2 to the endpoint `surge`."""

    def __init__(self, connections: Connections, platform: Platform) -> None:
        self.connections = connections
        self._platform = platform

    async def ask(self, quotes: list[Quote]) -> list[Answer | None]:
        bodies = [quote_request(quote) for quote in quotes]
        return [read_answer(body) for body in await self.connections.post_all("/v2/models/surge/infer", bodies)]

    async def ask_version(self, version: str, quotes: list[Quote]) -> list[Answer | None]:
        """What one version answers, whatever the route says. Such requests are logged as direct, not as live."""
        bodies = [quote_request(quote, suffix=f"-{version[-6:]}") for quote in quotes]
        path = f"/v2/models/surge/versions/{version}/infer"
        return [read_answer(body) for body in await self.connections.post_all(path, bodies)]

    async def push(self, view: str, rows: list[dict[str, Any]]) -> None:
        columns = {name: [_json(row[name]) for row in rows] for name in rows[0]}
        body = _encode({"push_source_name": view, "df": columns, "to": "online"})
        await self.connections.post("/push", body)

    async def label(self, settled: list[Settled]) -> None:
        await self.connections.post("/api/v1/serving/labels", labels_request(settled))

    async def append_rides(self, settled: list[Settled]) -> None:
        await asyncio.to_thread(self._platform.data.append, "rides", pa.table(ride_columns(settled)))


def quote_request(quote: Quote, suffix: str = "") -> bytes:
    """A quote as an inference request: the entity key and what the app knows; features are the worker's business."""
    inputs = [{"name": "zone", "shape": [1], "datatype": "BYTES", "data": [quote.zone]}]
    inputs += [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [getattr(quote, name)]} for name in REQUEST_VALUES
    ]
    return _encode({"id": quote.quote_id + suffix, "inputs": inputs, "parameters": {"key": quote.rider_id}})


def labels_request(settled: list[Settled]) -> bytes:
    """The truth about earlier quotes, as a labels request."""
    labels = [
        {
            "id": each.quote.quote_id,
            "at": each.outcome.known_at.isoformat(),
            "values": {"accepted": float(each.outcome.accepted), "value": each.outcome.value},
        }
        for each in settled
    ]
    return _encode({"labels": labels})


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def read_answer(body: bytes | None) -> Answer | None:
    """What an inference response says; None for none."""
    if body is None:
        return None
    response = _decode(body)
    values = {output.name: output.data[0] for output in response.outputs}
    return Answer(response.model_version, values["multiplier"], values["p_accept"])
