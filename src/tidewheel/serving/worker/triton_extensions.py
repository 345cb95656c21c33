"""Triton's extensions over HTTP: a model's configuration and statistics; and words for those that are not offered.

https://github.com/triton-inference-server/server/tree/main/docs/protocol. Called by `addresses`; the same is said over
gRPC by `grpc/service`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tidewheel.base.errors import TidewheelError
from tidewheel.serving.worker.configuration import configuration_of
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.rest import refuse
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.statistics import Statistics, statistics_of

SHARED_MEMORY = "Shared memory is not offered. Send tensors in the request, in binary."
TRACE_SETTINGS = "Trace settings are not offered. Set serving.otlp_endpoint, and send traceparent."
LOG_SETTINGS = "Log settings are not offered. Set serving.access_log."
UNOFFERED: dict[bytes, str] = {
    b"/v2/systemsharedmemory": SHARED_MEMORY,
    b"/v2/cudasharedmemory": SHARED_MEMORY,
    b"/v2/trace": TRACE_SETTINGS,
    b"/v2/logging": LOG_SETTINGS,
}
"""What is said at the addresses that begin so, where Triton has an extension."""

_encode = msgspec.json.Encoder().encode


def chosen_versions(endpoint: LoadedEndpoint, asked: str | None) -> list[LoadedVersion]:
    """The version asked for, by number or id, else all that are loaded, by their numbers.

    Raises:
        NotFound: if the endpoint does not have it.
    """
    return [endpoint.version(asked)] if asked else sorted(endpoint.numbered.values(), key=lambda each: int(each.number))


def statistics(inference: Inference, name: str | None, asked: str | None) -> Statistics:
    """The statistics of an endpoint or, without a name, of all.

    Raises:
        NotFound: if there is no such endpoint or version.
    """
    table = inference.table
    endpoints = [table.endpoint(name)] if name else list(table.endpoints.values())
    counted = inference.meters.counted()
    return Statistics(
        [statistics_of(each, version, counted) for each in endpoints for version in chosen_versions(each, asked)]
    )


class TritonExtensions:
    """Answers from one worker's table and the counts of all workers."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def configuration(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`GET /v2/models/{name}[/versions/{asked}]/config`: without a version, of the one behind the route."""

        def configured() -> msgspec.Struct:
            endpoint = self._inference.table.endpoint(name)
            return configuration_of(endpoint, endpoint.version(asked) if asked else endpoint.last_on_route())

        _answer(exchange, configured)

    def statistics(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`GET /v2/models/{name}[/versions/{asked}]/stats`"""
        _answer(exchange, lambda: statistics(self._inference, name, asked))

    def all_statistics(self, exchange: Exchange) -> None:
        """`GET /v2/models/stats`"""
        _answer(exchange, lambda: statistics(self._inference, None, None))

    def trace_setting(self, exchange: Exchange, _name: str, _asked: str | None = None) -> None:
        """`/v2/models/{name}/trace/setting`"""
        exchange.refuse(404, f"There is nothing at this address. {TRACE_SETTINGS}")


def _answer(exchange: Exchange, told: Callable[[], msgspec.Struct]) -> None:
    try:
        exchange.answer(200, _encode(told()))
    except TidewheelError as error:
        refuse(exchange, error)
