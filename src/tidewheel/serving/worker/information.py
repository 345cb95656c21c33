"""What the Open Inference Protocol lets a client ask without predicting: server, health, models."""

from __future__ import annotations

import msgspec

from tidewheel.base.errors import NotFound, Unavailable
from tidewheel.serving.worker.descriptions import describe_model, describe_server
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.http_answers import RETRY
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.runtime import LoadedVersion

_PLAIN = b"text/plain; charset=utf-8"
_encode = msgspec.json.Encoder().encode


class Liveness(msgspec.Struct, frozen=True):
    """The answer to `GET /v2/health/live`."""

    live: bool


class Readiness(msgspec.Struct, frozen=True):
    """The answer to `GET /v2/health/ready`."""

    ready: bool


class ModelReadiness(msgspec.Struct, frozen=True):
    """The answer to `GET /v2/models/{name}/ready` and `GET /v1/models/{name}`."""

    name: str
    ready: bool


class ModelNames(msgspec.Struct, frozen=True):
    """The answer to `GET /v1/models`."""

    models: list[str]


class Information:
    """Answers questions about the worker. `ready` is set by the process."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self.ready = False

    def server(self, exchange: Exchange) -> None:
        """`GET /v2`"""
        exchange.answer(200, _encode(describe_server()))

    def live(self, exchange: Exchange) -> None:
        """`GET /v2/health/live`"""
        exchange.answer(200, _encode(Liveness(True)))

    def is_ready(self, exchange: Exchange) -> None:
        """`GET /v2/health/ready`: whether endpoints are loaded, or there are none to load."""
        exchange.answer(200 if self.ready else 503, _encode(Readiness(self.ready)))

    def ping(self, exchange: Exchange) -> None:
        """`GET /ping` and `GET /health`, where MLflow's clients and SageMaker look whether a server is ready."""
        exchange.answer(200 if self.ready else 503, b"\n", _PLAIN)

    def version(self, exchange: Exchange) -> None:
        """`GET /version`, as MLflow's clients ask for it: the version alone, as text."""
        exchange.answer(200, describe_server().version.encode(), _PLAIN)

    def models(self, exchange: Exchange) -> None:
        """`GET /v1/models`: the names of all endpoints."""
        exchange.answer(200, _encode(ModelNames(sorted(self._inference.table.endpoints))))

    def model(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`GET /v2/models/{name}[/versions/{asked}]`"""
        found = self._find(exchange, name, asked)
        if found is not None:
            endpoint, version = found
            exchange.answer(200, _encode(describe_model(endpoint, version)))

    def model_ready(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`GET /v2/models/{name}[/versions/{asked}]/ready`, `GET /v1/models/{name}`"""
        if self._find(exchange, name, asked) is not None:
            exchange.answer(200, _encode(ModelReadiness(name, True)))

    def _find(self, exchange: Exchange, name: str, asked: str | None) -> tuple[LoadedEndpoint, LoadedVersion] | None:
        """The version asked for, else the one with the last word on the route; refuses where there is none."""
        try:
            endpoint = self._inference.table.endpoint(name)
            return endpoint, endpoint.last_on_route() if asked is None else endpoint.version(asked)
        except (NotFound, Unavailable) as error:
            exchange.refuse(error.status, str(error), RETRY if isinstance(error, Unavailable) else b"")
            return None
