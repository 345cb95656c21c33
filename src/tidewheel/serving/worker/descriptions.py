"""What the Open Inference Protocol says of the server and its models, whichever way it is asked.

A model's `inputs` are the shortest request that it answers: keys and request values where features are looked up, else
the whole table, or the tensors that it takes. The other ways to ask are among its parameters. Pure; called by
`information`, and fit for gRPC.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

import msgspec

from tidewheel.registry.tensors import TensorSpec
from tidewheel.serving.worker.answer_tensors import DATATYPES
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.runtime import LoadedVersion

EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]


class ServerDescription(msgspec.Struct, frozen=True):
    """The answer to `GET /v2`."""

    name: str
    version: str
    extensions: list[str]


class TensorDescription(msgspec.Struct, frozen=True):
    """One input or output; -1 in its shape stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelParameters(msgspec.Struct, frozen=True):
    """What the protocol has no field for."""

    version: str
    """The id of the version that is described."""
    model: str
    features: list[str]
    """The columns of the input `features`, in order; each may be given by its name too."""
    optional: list[str]
    """Features that may be left out, and are missing then."""
    entities: list[str]
    request: dict[str, str]
    """Request values by name, and their type."""
    alternatives: list[list[str]]
    """The sets of inputs that a request may consist of, the shortest first."""


class ModelDescription(msgspec.Struct, frozen=True):
    """The answer to `GET /v2/models/{name}`."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorDescription]
    outputs: list[TensorDescription]
    parameters: ModelParameters


def describe_server() -> ServerDescription:
    """This program."""
    return ServerDescription("tidewheel", metadata.version("tidewheel"), EXTENSIONS)


def describe_model(endpoint: LoadedEndpoint, version: LoadedVersion) -> ModelDescription:
    """An endpoint, by one of its versions."""
    return ModelDescription(
        name=endpoint.name,
        versions=list(endpoint.numbered),
        platform=f"tidewheel_{version.format}",
        inputs=_inputs(version),
        outputs=_described(version.output_tensors)
        or [TensorDescription(name, "FP64", [-1]) for name in version.outputs],
        parameters=_parameters(version),
    )


def _inputs(version: LoadedVersion) -> list[TensorDescription]:
    plan = version.plan
    if version.tensors:
        return _described(version.tensors)
    if plan is None:
        return [TensorDescription("features", "FP64", [-1, -1 if version.unsigned else version.width])]
    keys = [TensorDescription(name, "BYTES", [-1]) for name in plan.entities]
    values = [TensorDescription(name, "BYTES" if kind is str else "FP64", [-1]) for name, kind in plan.request.items()]
    return [*keys, *values]


def _described(tensors: Sequence[TensorSpec]) -> list[TensorDescription]:
    return [TensorDescription(spec.name, DATATYPES[spec.dtype], list(spec.shape)) for spec in tensors]


def _parameters(version: LoadedVersion) -> ModelParameters:
    plan = version.plan
    looked_up = [] if plan is None else [[*plan.entities, *plan.request]]
    named = [] if version.unsigned else [list(version.names)]
    whole = [] if version.tensors else [["features"]]
    return ModelParameters(
        version=version.id,
        model=version.model,
        features=list(version.columns),
        optional=sorted(version.optional),
        entities=[] if plan is None else list(plan.entities),
        request={} if plan is None else {name: kind.__name__ for name, kind in plan.request.items()},
        alternatives=[*looked_up, *whole, *named],
    )
