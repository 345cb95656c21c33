"""The protocol's message classes, built from `descriptors.pb`, which `make proto` compiles from the `.proto` files.

They live in a descriptor pool of their own: tritonclient registers messages of the same names in the process's pool,
and both must be able to live in one process. To mypy a message class is `Any`, as it is made at run time.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

INFERENCE_SERVICE = "inference.GRPCInferenceService"
HEALTH_SERVICE = "grpc.health.v1.Health"


def _build_classes() -> dict[str, Any]:
    compiled = files(__package__).joinpath("descriptors.pb").read_bytes()
    described = descriptor_pb2.FileDescriptorSet.FromString(compiled)
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.AddSerializedFile(file.SerializeToString())
    classes: dict[str, Any] = message_factory.GetMessageClassesForFiles([file.name for file in described.file], pool)
    return classes


MESSAGES: dict[str, Any] = _build_classes()
"""Every message class, by its full name."""


def _class(name: str) -> Any:
    return MESSAGES[f"inference.{name}"]


ServerLiveResponse = _class("ServerLiveResponse")
ServerReadyResponse = _class("ServerReadyResponse")
ModelReadyRequest = _class("ModelReadyRequest")
ModelReadyResponse = _class("ModelReadyResponse")
ServerMetadataResponse = _class("ServerMetadataResponse")
ModelMetadataRequest = _class("ModelMetadataRequest")
ModelMetadataResponse = _class("ModelMetadataResponse")
ModelConfigRequest = _class("ModelConfigRequest")
ModelConfigResponse = _class("ModelConfigResponse")
ModelStatisticsRequest = _class("ModelStatisticsRequest")
ModelStatisticsResponse = _class("ModelStatisticsResponse")
ModelInferRequest = _class("ModelInferRequest")
ModelInferResponse = _class("ModelInferResponse")
ModelStreamInferResponse = _class("ModelStreamInferResponse")
RepositoryIndexRequest = _class("RepositoryIndexRequest")
RepositoryIndexResponse = _class("RepositoryIndexResponse")
RepositoryModelLoadRequest = _class("RepositoryModelLoadRequest")
RepositoryModelLoadResponse = _class("RepositoryModelLoadResponse")
RepositoryModelUnloadRequest = _class("RepositoryModelUnloadRequest")
RepositoryModelUnloadResponse = _class("RepositoryModelUnloadResponse")
HealthCheckRequest = MESSAGES["grpc.health.v1.HealthCheckRequest"]
HealthCheckResponse = MESSAGES["grpc.health.v1.HealthCheckResponse"]
