"""MLflow's addresses of experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.base.units import to_us
from tidewheel.server.mlflow.entities import KeyValue, pairs, stage_of, texts
from tidewheel.server.mlflow.errors import MLflowError
from tidewheel.server.mlflow.protocol import call
from tidewheel.tracking import Experiment

if TYPE_CHECKING:
    from tidewheel.app import Platform


class ExperimentId(msgspec.Struct):
    experiment_id: str = ""


class ExperimentName(msgspec.Struct):
    experiment_name: str = ""


class NewExperiment(msgspec.Struct):
    name: str = ""
    artifact_location: str = ""
    tags: list[KeyValue] = []


class NewName(msgspec.Struct):
    experiment_id: str = ""
    new_name: str = ""


class ExperimentTag(msgspec.Struct):
    experiment_id: str = ""
    key: str = ""
    value: str = ""


class ExperimentSearch(msgspec.Struct):
    max_results: int = 1000
    page_token: str = ""
    filter: str = ""
    order_by: list[str] = []
    view_type: str | int = "ACTIVE_ONLY"


@call("POST", "/experiments/create", required=("name",))
def create_experiment(platform: Platform, sent: NewExperiment) -> dict[str, Any]:
    made = platform.experiments.create(sent.name, sent.artifact_location or None, texts(sent.tags))
    return {"experiment_id": made.id}


@call("GET", "/experiments/get", required=("experiment_id",))
def get_experiment(platform: Platform, sent: ExperimentId) -> dict[str, Any]:
    return {"experiment": experiment_json(platform.experiments.experiment(sent.experiment_id))}


@call("GET", "/experiments/get-by-name", required=("experiment_name",))
def get_experiment_by_name(platform: Platform, sent: ExperimentName) -> dict[str, Any]:
    return {"experiment": experiment_json(platform.experiments.by_name(sent.experiment_name))}


@call("POST", "/experiments/search")
@call("GET", "/experiments/search")
def search_experiments(platform: Platform, sent: ExperimentSearch) -> dict[str, Any]:
    page = platform.experiments.search(
        sent.filter, sent.order_by, sent.max_results, sent.page_token, stage_of(sent.view_type)
    )
    answer: dict[str, Any] = {"experiments": [experiment_json(found) for found in page.experiments]}
    return answer | ({"next_page_token": page.next_page_token} if page.next_page_token else {})


@call("POST", "/experiments/update", required=("experiment_id", "new_name"))
def update_experiment(platform: Platform, sent: NewName) -> None:
    platform.experiments.rename(sent.experiment_id, sent.new_name)


@call("POST", "/experiments/delete", required=("experiment_id",))
def delete_experiment(platform: Platform, sent: ExperimentId) -> None:
    platform.experiments.delete(sent.experiment_id)


@call("POST", "/experiments/restore", required=("experiment_id",))
def restore_experiment(platform: Platform, sent: ExperimentId) -> None:
    platform.experiments.restore(sent.experiment_id)


@call("POST", "/experiments/set-experiment-tag", required=("experiment_id", "key"))
def set_experiment_tag(platform: Platform, sent: ExperimentTag) -> None:
    platform.experiments.set_tags(sent.experiment_id, {sent.key: sent.value})


@call("POST", "/experiments/delete-experiment-tag", required=("experiment_id", "key"))
def delete_experiment_tag(platform: Platform, sent: ExperimentTag) -> None:
    platform.experiments.delete_tag(sent.experiment_id, sent.key)


class ExperimentIds(msgspec.Struct):
    experiment_ids: list[str] = []


@call("POST", "/experiments/search-datasets")
def search_datasets(platform: Platform, sent: ExperimentIds) -> dict[str, Any]:
    if not 1 <= len(sent.experiment_ids) <= 20:
        told = (
            "must specify at least one experiment_id."
            if not sent.experiment_ids
            else f"cannot specify more than 20 experiment_ids. Received {len(sent.experiment_ids)} experiment_ids."
        )
        raise MLflowError("INVALID_PARAMETER_VALUE", f"SearchDatasets request {told}")
    found = platform.tracking.dataset_summaries(sent.experiment_ids)
    return {
        "dataset_summaries": [
            {
                "experiment_id": dataset.experiment_id,
                "name": dataset.name,
                "digest": dataset.digest,
                **({"context": dataset.context} if dataset.context else {}),
            }
            for dataset in found
        ]
    }


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """An experiment as MLflow writes it."""
    return {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location,
        "lifecycle_stage": experiment.lifecycle_stage,
        "last_update_time": to_us(experiment.updated_at) // 1000,
        "creation_time": to_us(experiment.created_at) // 1000,
        "tags": pairs(experiment.tags),
    }
