"""What Triton's clients ask as a model's configuration: how it is batched, and its tensors without their rows.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md. The structs
are the JSON form of the messages in `grpc/open_inference.proto`, which gRPC makes of them. Pure.
"""

from __future__ import annotations

import msgspec

from tidewheel.serving.worker.descriptions import TensorDescription, describe_model
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.runtime import LoadedVersion


class Reshape(msgspec.Struct, frozen=True):
    """What the model really takes or gives of a row: of one value, nothing more than the value."""

    shape: list[int]


class ConfiguredInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input; `dims` is the shape of a row."""

    name: str
    data_type: str
    dims: list[int]
    reshape: Reshape | None = None


class ConfiguredOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """One output; `dims` is the shape of a row."""

    name: str
    data_type: str
    dims: list[int]
    reshape: Reshape | None = None


class SpecificVersions(msgspec.Struct, frozen=True):
    """The numbers of the versions that are loaded."""

    versions: list[int]


class VersionPolicy(msgspec.Struct, frozen=True):
    """Which versions are served."""

    specific: SpecificVersions


class DynamicBatching(msgspec.Struct, frozen=True):
    """How long a model call waits for more requests."""

    max_queue_delay_microseconds: int


class TransactionPolicy(msgspec.Struct, frozen=True):
    """Whether a request may have other than one answer: never here."""

    decoupled: bool = False


class ConfiguredParameter(msgspec.Struct, frozen=True):
    """A setting that Triton knows no field for."""

    string_value: str


class ModelConfiguration(msgspec.Struct, frozen=True):
    """The answer to `GET /v2/models/{name}/config`."""

    name: str
    platform: str
    backend: str
    version_policy: VersionPolicy
    max_batch_size: int
    input: list[ConfiguredInput]
    output: list[ConfiguredOutput]
    dynamic_batching: DynamicBatching
    model_transaction_policy: TransactionPolicy
    parameters: dict[str, ConfiguredParameter]
    """`version`: the id of the version that is described; `model`: whose it is."""


def configuration_of(endpoint: LoadedEndpoint, version: LoadedVersion) -> ModelConfiguration:
    """An endpoint's configuration, by one of its versions."""
    told, options = describe_model(endpoint, version), endpoint.options
    said = {"version": version.id, "model": version.model}
    return ModelConfiguration(
        name=told.name,
        platform=told.platform,
        backend="tidewheel",
        version_policy=VersionPolicy(SpecificVersions(sorted(int(number) for number in told.versions))),
        max_batch_size=options.max_batch_rows,
        input=[ConfiguredInput(each.name, _data_type(each), *_dims(each)) for each in told.inputs],
        output=[ConfiguredOutput(each.name, _data_type(each), *_dims(each)) for each in told.outputs],
        dynamic_batching=DynamicBatching(round(options.batch_wait_ms * 1000)),
        model_transaction_policy=TransactionPolicy(),
        parameters={name: ConfiguredParameter(text) for name, text in said.items()},
    )


def _data_type(tensor: TensorDescription) -> str:
    return f"TYPE_{'STRING' if tensor.datatype == 'BYTES' else tensor.datatype}"


def _dims(tensor: TensorDescription) -> tuple[list[int], Reshape | None]:
    """A row's shape as Triton writes it, which has no shape of no dimensions."""
    shape = tensor.shape[1:]
    return (shape, None) if shape else ([1], Reshape([]))
