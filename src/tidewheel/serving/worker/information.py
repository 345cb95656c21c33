"""What the Open Inference Protocol lets a client ask without predicting: server, health, models."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import msgspec

from tidewheel.base.errors import NotFound
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.runtime import LoadedVersion

_encode = msgspec.json.Encoder().encode


class Information:
    """Answers questions about the worker. `ready` is set by the process."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self.ready = False

    def server(self, exchange: Exchange) -> None:
        """`GET /v2`"""
        exchange.answer(200, _encode({"name": "tidewheel", "version": metadata.version("tidewheel"), "extensions": []}))

    def live(self, exchange: Exchange) -> None:
        """`GET /v2/health/live`"""
        exchange.answer(200, b'{"live":true}')

    def is_ready(self, exchange: Exchange) -> None:
        """`GET /v2/health/ready`: whether endpoints are loaded, or there are none to load."""
        exchange.answer(200 if self.ready else 503, _encode({"ready": self.ready}))

    def model(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`GET /v2/models/{name}[/versions/{asked}]`"""
        found = self._find(exchange, name, asked)
        if found is not None:
            endpoint, version = found
            exchange.answer(200, _encode(_description(endpoint, version)))

    def model_ready(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`GET /v2/models/{name}[/versions/{asked}]/ready`"""
        if self._find(exchange, name, asked) is not None:
            exchange.answer(200, _encode({"name": name, "ready": True}))

    def _find(self, exchange: Exchange, name: str, asked: str | None) -> tuple[LoadedEndpoint, LoadedVersion] | None:
        """The version asked for, else the one with the last word on the route; refuses where there is none."""
        try:
            endpoint = self._inference.table.endpoint(name)
            if asked is not None:
                return endpoint, endpoint.version(asked)
        except NotFound as error:
            exchange.refuse(404, str(error))
            return None
        if not endpoint.line:
            exchange.refuse(503, f"The endpoint {name!r} has no version to answer with.")
            return None
        return endpoint, endpoint.versions[endpoint.line[-1][1]]


def _description(endpoint: LoadedEndpoint, version: LoadedVersion) -> dict[str, Any]:
    plan = version.plan
    return {
        "name": endpoint.name,
        "versions": [each.number for each in endpoint.versions.values()],
        "platform": f"tidewheel_{version.format}",
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, version.width]}],
        "outputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in version.outputs],
        "parameters": {
            "version": version.id,
            "model": version.model,
            "features": version.names,
            "entities": [] if plan is None else list(plan.entities),
            "request": {} if plan is None else {name: kind.__name__ for name, kind in plan.request.items()},
        },
    }
