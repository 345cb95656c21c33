"""What a gRPC client may ask of an endpoint without predicting: whether it would answer, and what it takes and gives.

The answers say what `GET /v2/models/…` says. Pure reads of the worker's table; called by `service`.
"""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

from tidewheel.base.errors import TidewheelError, Unavailable
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.grpc.messages import ModelMetadataResponse, ServerMetadataResponse
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.runtime import LoadedVersion

EXTENSIONS = ("binary_tensor_data", "model_repository")


def describe_server() -> Any:
    """The `ServerMetadataResponse` of this install."""
    return ServerMetadataResponse(name="tidewheel", version=version_of("tidewheel"), extensions=EXTENSIONS)


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
    version = find_version(endpoint, asked)
    described = ModelMetadataResponse(name=endpoint.name, platform=f"tidewheel_{version.format}")
    described.versions.extend(each.number for each in endpoint.versions.values())
    described.inputs.add(name="features", datatype="FP64", shape=[-1, version.width])
    for output in version.outputs:
        described.outputs.add(name=output, datatype="FP64", shape=[-1])
    return described


def find_version(endpoint: LoadedEndpoint, asked: str) -> LoadedVersion:
    """The version of a number or an id; for "", the one with the last word on the route.

    Raises:
        NotFound: if the endpoint does not have it.
        Unavailable: if no version is behind the endpoint.
    """
    if asked:
        return endpoint.version(asked)
    if not endpoint.line:
        raise Unavailable(
            f"The endpoint {endpoint.name!r} has no version to answer with.",
            fix="Deploy one: `tidewheel deploy MODEL --endpoint …`.",
        )
    return endpoint.versions[endpoint.line[-1][1]]
