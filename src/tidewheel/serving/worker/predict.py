"""The hot path, joined: an inference request becomes an answer, and nothing leaves before it is in the log.

parse -> route -> features -> model -> log -> encode. Everything here runs on the event loop and never waits; it must
not touch a database, take a lock or start a thread.
"""

from __future__ import annotations

import sys
import traceback
from itertools import count
from time import perf_counter
from typing import Any

from tidewheel.base.clock import Clock
from tidewheel.base.errors import InvalidInput, TidewheelError, Unavailable
from tidewheel.base.ids import ulid
from tidewheel.serving.assignment import switchback_unit
from tidewheel.serving.worker.calls import NO_ROWS, Call, Outcome, records_of
from tidewheel.serving.worker.endpoints import EndpointTable, LoadedEndpoint
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.inference_codec import (
    InferRequest,
    check_outputs,
    decode_request,
    encode_response,
)
from tidewheel.serving.worker.metrics import Meters
from tidewheel.serving.worker.model_inputs import Inputs, inputs_by_name, rows_of
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.shadows import Shadows
from tidewheel.storage.predictions.records import Prediction
from tidewheel.storage.predictions.writer import PredictionWriter

_MAX_ID = 200


class Inference:
    """Answers inference requests from the current table; `table` is replaced when a new generation is loaded."""

    def __init__(self, log: PredictionWriter, online: Any, clock: Clock, meters: Meters, shadows: Shadows) -> None:
        self.table = EndpointTable(0, {})
        self._log = log
        self._online = online
        self._clock = clock
        self._meters = meters
        self._shadows = shadows
        # Ids of requests without one: unique by the worker's own ULID, and a counter costs a tenth of another ULID.
        self._new_ids = (f"{prefix}{number:x}" for prefix in (ulid(),) for number in count(1))

    def infer(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """Answer `POST /v2/models/{name}[/versions/{asked}]/infer`."""
        began = perf_counter()
        try:
            endpoint = self.table.endpoint(name)
            request = decode_request(exchange.body)
            inputs = inputs_by_name(request.inputs, endpoint.known_inputs)
            at_us = self._clock.now_us()
            request_id = _request_id(request) or next(self._new_ids)
            unit = _unit(endpoint, request, inputs, exchange, request_id, at_us)
            asked = asked or _text_header(exchange, b"x-tidewheel-version")
            version, arm = self._choose(endpoint, unit, asked)
            check_outputs(request.outputs, version.outputs)
        except TidewheelError as error:
            exchange.refuse(error.status, str(error))
            return
        call = Call(request_id, at_us, endpoint.name, unit, inputs)
        self._answer(exchange, request, call, version, arm, began)
        if endpoint.shadows and arm == "live":
            self._shadows.offer(call, [shadow for shadow in endpoint.shadows if shadow is not version])

    def _choose(self, endpoint: LoadedEndpoint, unit: str, asked: str | None) -> tuple[LoadedVersion, str]:
        if asked is not None:
            return endpoint.version(asked), "direct"
        if not endpoint.line:
            raise Unavailable(
                f"The endpoint {endpoint.name!r} has no version to answer with.",
                fix="Deploy one: `tidewheel deploy MODEL --endpoint …`.",
            )
        return endpoint.choose(unit), "live"

    def _answer(
        self, exchange: Exchange, request: InferRequest, call: Call, version: LoadedVersion, arm: str, began: float
    ) -> None:
        series = self._meters.series(call.endpoint, version.id, arm)
        outcome = Outcome(200, 0.0, NO_ROWS, {}, None)
        failure: Exception | None = None
        try:
            outcome.rows, outcome.entities = rows_of(version, call.inputs, self._online, call.at_us)
            outcome.outputs = version.predict(outcome.rows)
        except InvalidInput as error:
            series.observe(400, perf_counter() - began, 0)
            exchange.refuse(400, str(error))
            return
        except Exception as error:
            failure, outcome.status = error, 500
        outcome.latency_s = perf_counter() - began
        try:
            self._log_records(records_of(call, version, arm, outcome))
        except Unavailable as error:
            series.observe(503, outcome.latency_s, 0)
            exchange.refuse(503, str(error), b"retry-after: 1\r\n")
            return
        if outcome.outputs is None:
            _print_failure(version, failure)
            exchange.refuse(500, f"The version {version.id} failed on this request: {type(failure).__name__}.")
        else:
            exchange.answer(200, encode_response(call.endpoint, version, call.id, outcome.outputs, request.outputs))
        series.observe(outcome.status, perf_counter() - began, len(outcome.rows))

    def _log_records(self, records: list[Prediction]) -> None:
        for record in records:
            self._log.append(record)


def _request_id(request: InferRequest) -> str | None:
    if not request.id:
        return None
    if len(request.id) > _MAX_ID:
        raise InvalidInput(f"The request's id is longer than {_MAX_ID} characters.", where="id", fix="Shorten it.")
    return request.id


def _unit(
    endpoint: LoadedEndpoint, request: InferRequest, inputs: Inputs, exchange: Exchange, request_id: str, at_us: int
) -> str:
    """What the route is chosen by: the cell of a switchback, else the caller's key, else the request."""
    unit = endpoint.unit
    if unit.switchback and unit.entity in inputs:
        keys = inputs[unit.entity].texts()
        return switchback_unit(keys[0], at_us, unit.window_s)
    key = _text_header(exchange, b"x-tidewheel-key")
    if key is None and request.parameters is not None:
        given = request.parameters.get("key")
        if given is not None and not isinstance(given, str | int):
            raise InvalidInput("The routing key must be a string.", where="parameters.key")
        key = None if given is None else str(given)
    if key is not None and len(key) > _MAX_ID:
        raise InvalidInput(f"The routing key is longer than {_MAX_ID} characters.", fix="Send a shorter one.")
    return key or request_id


def _text_header(exchange: Exchange, name: bytes) -> str | None:
    value = exchange.headers.get(name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _print_failure(version: LoadedVersion, failure: Exception | None) -> None:
    print(f"version {version.id} ({version.model} {version.number}) failed:", file=sys.stderr)
    traceback.print_exception(failure, file=sys.stderr)
