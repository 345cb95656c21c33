"""MLflow's addresses for what runs were given and what models they made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidewheel.server.mlflow.entities import KeyValue, texts
from tidewheel.server.mlflow.protocol import call, missing
from tidewheel.tracking.logged_model_records import RunModel
from tidewheel.tracking.records import DatasetInput

if TYPE_CHECKING:
    from tidewheel.app import Platform


class Dataset(msgspec.Struct):
    name: str = ""
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str | None = None
    profile: str | None = None


class GivenDataset(msgspec.Struct):
    tags: list[KeyValue] = []
    dataset: Dataset = msgspec.field(default_factory=Dataset)


class Model(msgspec.Struct):
    model_id: str = ""
    step: int = 0


class Inputs(msgspec.Struct):
    run_id: str = ""
    datasets: list[GivenDataset] = []
    models: list[Model] = []


class Outputs(msgspec.Struct):
    run_id: str = ""
    models: list[Model] = []


@call("POST", "/runs/log-inputs", required=("run_id",))
def log_inputs(platform: Platform, sent: Inputs) -> None:
    datasets = [_dataset(given, f"datasets[{position}]") for position, given in enumerate(sent.datasets)]
    if datasets or not sent.models:
        platform.tracking.log_datasets(sent.run_id, datasets)
    if sent.models:
        platform.logged_models.log_inputs(sent.run_id, [model.model_id for model in sent.models])


@call("POST", "/runs/outputs", required=("run_id",))
@call("POST", "/runs/log-outputs", required=("run_id",))
def log_outputs(platform: Platform, sent: Outputs) -> None:
    platform.logged_models.log_outputs(sent.run_id, [RunModel(model.model_id, model.step) for model in sent.models])


def _dataset(given: GivenDataset, place: str) -> DatasetInput:
    dataset = given.dataset
    for name in ("name", "digest", "source_type", "source"):
        if not getattr(dataset, name):
            raise missing(f"{place}.dataset.{name}")
    tags = texts(given.tags, f"{place}.tags")
    return DatasetInput(
        dataset.name, dataset.digest, dataset.source_type, dataset.source, dataset.schema, dataset.profile, tags
    )
