"""What a gRPC client may ask of an endpoint without predicting: whether it would answer, what it takes, its counts.

The answers say what `GET /v2/models/…` says. Pure reads of the worker's table; called by `service`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf import json_format

from tidewheel.base.errors import TidewheelError
from tidewheel.serving.worker import descriptions
from tidewheel.serving.worker.configuration import configuration_of
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.grpc.messages import (
    ModelConfigResponse,
    ModelMetadataResponse,
    ModelStatisticsResponse,
    ServerMetadataResponse,
)
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.triton_extensions import statistics


def describe_server() -> Any:
    """The `ServerMetadataResponse` of this install."""
    told = descriptions.describe_server()
    return ServerMetadataResponse(name=told.name, version=told.version, extensions=told.extensions)


def is_ready(inference: Inference, name: str, asked: str) -> bool:
    """Whether a request to an endpoint, or to one of its versions, would be answered."""
    if name in inference.residency.unloaded:
        return False
    try:
        find_version(inference.table.endpoint(name), asked)
    except TidewheelError:
        return False
    return True


def describe_model(inference: Inference, name: str, asked: str) -> Any:
    """The `ModelMetadataResponse` of an endpoint, as the version asked for sees it.

    Raises:
        NotFound: if there is no such endpoint or version.
        Unavailable: if no version is behind the endpoint.
    """
    endpoint = inference.table.endpoint(name)
    told = descriptions.describe_model(endpoint, find_version(endpoint, asked))
    message = ModelMetadataResponse(name=told.name, platform=told.platform, versions=told.versions)
    for tensors, added in ((told.inputs, message.inputs), (told.outputs, message.outputs)):
        for tensor in tensors:
            added.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    return message


def describe_configuration(inference: Inference, name: str, asked: str) -> Any:
    """The `ModelConfigResponse` of an endpoint, as the version asked for sees it.

    Raises:
        NotFound: if there is no such endpoint or version.
        Unavailable: if no version is behind the endpoint.
    """
    endpoint = inference.table.endpoint(name)
    told = configuration_of(endpoint, find_version(endpoint, asked))
    message = ModelConfigResponse()
    json_format.ParseDict(msgspec.to_builtins(told), message.config)
    return message


def describe_statistics(inference: Inference, name: str, asked: str) -> Any:
    """The `ModelStatisticsResponse` of an endpoint or, without a name, of all.

    Raises:
        NotFound: if there is no such endpoint or version.
    """
    told = statistics(inference, name or None, asked or None)
    return json_format.ParseDict(msgspec.to_builtins(told), ModelStatisticsResponse())


def find_version(endpoint: LoadedEndpoint, asked: str) -> LoadedVersion:
    """The version of a number or an id; for "", the one with the last word on the route.

    Raises:
        NotFound: if the endpoint does not have it.
        Unavailable: if no version is behind the endpoint.
    """
    return endpoint.version(asked) if asked else endpoint.last_on_route()
