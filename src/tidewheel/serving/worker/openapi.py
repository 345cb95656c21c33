"""The worker's OpenAPI 3.1 document, `GET /openapi.json`: every address, what it takes and what it answers.

`OPERATIONS` is the table; schemas are those of the classes that bodies are decoded to and answers encoded from, so they
cannot say otherwise. https://spec.openapis.org/oas/v3.1.1. The document is built when it is first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import msgspec

from tidewheel.serving.worker import (
    configuration,
    descriptions,
    feast,
    inference_codec,
    information,
    labels,
    repository,
    statistics,
)
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.repository_rest import IndexRequest
from tidewheel.serving.worker.scoring import Predictions
from tidewheel.serving.worker.scoring_formats import ScoringBody

_SCHEMAS = "#/components/schemas/{name}"
_JSON, _TEXT = "application/json", "text/plain"


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every refusal: what was asked, what is wrong, what to do."""

    error: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address. `takes` and `answers` are classes; None stands for no body, str for text."""

    method: str
    path: str
    summary: str
    answers: Any
    takes: Any = None
    headers: tuple[str, ...] = ()
    body_optional: bool = False
    other_bodies: tuple[str, ...] = ()
    """Content types beside JSON that the body may have."""
    unready: bool = False
    """Whether it answers 503 in its own words while the worker is not ready."""


_ROUTING = ("x-tidewheel-key", "x-tidewheel-version", "x-tidewheel-timeout-ms")
_INFER = ("inference-header-content-length", *_ROUTING)
_SCORE = ("x-request-id", *_ROUTING)
HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "inference-header-content-length": ("The length of the JSON before binary tensors.", {"type": "integer"}),
    "x-tidewheel-endpoint": ("The endpoint to ask, where there are several.", {"type": "string"}),
    "x-tidewheel-key": ("What the route is chosen by: the same key meets the same version.", {"type": "string"}),
    "x-tidewheel-version": ("The version to ask, by id or number, instead of the route's choice.", {"type": "string"}),
    "x-tidewheel-timeout-ms": ("Whole milliseconds after which the answer is not computed.", {"type": "integer"}),
    "x-request-id": ("The id of the prediction, by which labels find it; made if left out.", {"type": "string"}),
}

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/v2", "What this server is.", descriptions.ServerDescription),
    Operation("GET", "/v2/health/live", "Whether the worker runs.", information.Liveness),
    Operation("GET", "/v2/health/ready", "Whether endpoints are loaded.", information.Readiness, unready=True),
    Operation("GET", "/v2/models/{name}", "What an endpoint takes and answers.", descriptions.ModelDescription),
    Operation(
        "GET", "/v2/models/{name}/versions/{version}", "The same, of one version.", descriptions.ModelDescription
    ),
    Operation("GET", "/v2/models/{name}/ready", "Whether an endpoint answers.", information.ModelReadiness),
    Operation(
        "GET", "/v2/models/{name}/versions/{version}/ready", "Whether a version answers.", information.ModelReadiness
    ),
    Operation(
        "GET",
        "/v2/models/{name}/config",
        "How an endpoint is batched, as Triton says it.",
        configuration.ModelConfiguration,
    ),
    Operation(
        "GET",
        "/v2/models/{name}/versions/{version}/config",
        "The same, of one version.",
        configuration.ModelConfiguration,
    ),
    Operation("GET", "/v2/models/stats", "Counts and times of all endpoints, as Triton's.", statistics.Statistics),
    Operation("GET", "/v2/models/{name}/stats", "Counts and times of an endpoint.", statistics.Statistics),
    Operation("GET", "/v2/models/{name}/versions/{version}/stats", "The same, of one version.", statistics.Statistics),
    Operation(
        "POST",
        "/v2/models/{name}/infer",
        "Predict: tensors in JSON, or in binary behind it.",
        inference_codec.InferResponse,
        inference_codec.InferRequest,
        _INFER,
        other_bodies=("application/octet-stream",),
    ),
    Operation(
        "POST",
        "/v2/models/{name}/versions/{version}/infer",
        "Predict by one version.",
        inference_codec.InferResponse,
        inference_codec.InferRequest,
        _INFER,
        other_bodies=("application/octet-stream",),
    ),
    Operation(
        "POST",
        "/v2/models/{name}/invocations",
        "Predict from a table in one of MLflow's formats.",
        Predictions,
        ScoringBody,
        _SCORE,
        other_bodies=("text/csv",),
    ),
    Operation(
        "POST",
        "/v2/models/{name}/versions/{version}/invocations",
        "The same, by one version.",
        Predictions,
        ScoringBody,
        _SCORE,
        other_bodies=("text/csv",),
    ),
    Operation(
        "POST",
        "/invocations",
        "The same, by the only endpoint or the one named in a header.",
        Predictions,
        ScoringBody,
        ("x-tidewheel-endpoint", *_SCORE),
        other_bodies=("text/csv",),
    ),
    Operation("GET", "/ping", "Whether endpoints are loaded, for MLflow's clients.", str, unready=True),
    Operation("GET", "/health", "Whether endpoints are loaded, for MLflow's clients.", str, unready=True),
    Operation("GET", "/version", "The version of this server.", str),
    Operation("GET", "/v1/models", "The names of all endpoints.", information.ModelNames),
    Operation("GET", "/v1/models/{name}", "Whether an endpoint answers.", information.ModelReadiness),
    Operation(
        "POST", "/v1/models/{name}:predict", "Predict, as KServe's v1 protocol.", Predictions, ScoringBody, _SCORE
    ),
    Operation(
        "POST",
        "/v2/repository/index",
        "All versions of all endpoints.",
        list[repository.IndexEntry],
        IndexRequest,
        body_optional=True,
    ),
    Operation("POST", "/v2/repository/models/{name}/load", "Answer for an endpoint again.", dict[str, str]),
    Operation("POST", "/v2/repository/models/{name}/unload", "Send an endpoint out of memory.", dict[str, str]),
    Operation(
        "POST", "/api/v1/serving/labels", "Say what came true of predictions.", labels.Accepted, labels.LabelBody
    ),
    Operation("POST", "/push", "Count events into a feature view.", feast.Pushed, feast.PushBody),
    Operation(
        "POST", "/get-online-features", "Features of entities as of now.", feast.OnlineFeatures, feast.OnlineBody
    ),
    Operation("GET", "/metrics", "Prometheus' text, of all workers of the home.", str),
    Operation("GET", "/openapi.json", "This document.", dict[str, Any]),
)


def answer(exchange: Exchange) -> None:
    """`GET /openapi.json`"""
    exchange.answer(200, _encoded())


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(document())


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    types = [each for operation in OPERATIONS for each in (operation.takes, operation.answers) if _is_described(each)]
    types.append(ErrorBody)
    schemas, components = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    of = dict(zip(map(str, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidewheel inference worker",
            "version": metadata.version("tidewheel"),
            "description": "Predictions, their labels, and online features.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _is_described(kind: Any) -> bool:
    return kind is not None and kind is not str


def _operation(operation: Operation, of: dict[str, Any]) -> dict[str, Any]:
    names = [part.partition("}")[0] for part in operation.path.split("{")[1:]]
    in_path = [{"name": each, "in": "path", "required": True, "schema": {"type": "string"}} for each in names]
    in_head = [
        {"name": name, "in": "header", "description": HEADERS[name][0], "schema": HEADERS[name][1]}
        for name in operation.headers
    ]
    answered = _content(operation.answers, of)
    refused = {"description": "A refusal.", "content": _content(ErrorBody, of)}
    responses = {"200": {"description": "Done.", "content": answered}, "default": refused}
    if operation.unready:
        responses["503"] = {"description": "Not ready.", "content": answered}
    if operation.other_bodies == ("application/octet-stream",):
        answered["application/octet-stream"] = {}
    found: dict[str, Any] = {"summary": operation.summary, "parameters": in_path + in_head, "responses": responses}
    if operation.takes is not None:
        content = _content(operation.takes, of) | {kind: {} for kind in operation.other_bodies}
        found["requestBody"] = {"required": not operation.body_optional, "content": content}
    return found


def _content(kind: Any, of: dict[str, Any]) -> dict[str, Any]:
    return {_TEXT: {"schema": {"type": "string"}}} if kind is str else {_JSON: {"schema": of[str(kind)]}}
