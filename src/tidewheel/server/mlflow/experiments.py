"""MLflow's addresses of experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.base.units import to_us
from tidewheel.server.mlflow.protocol import call
from tidewheel.tracking.records import Experiment

if TYPE_CHECKING:
    from tidewheel.app import Platform


class ExperimentId(msgspec.Struct):
    experiment_id: str = ""


@call("GET", "/experiments/get", required=("experiment_id",))
def get_experiment(platform: Platform, sent: ExperimentId) -> dict[str, Any]:
    return {"experiment": experiment_json(platform.experiments.experiment(sent.experiment_id))}


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """An experiment as MLflow writes it."""
    return {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location,
        "lifecycle_stage": experiment.lifecycle_stage,
        "last_update_time": to_us(experiment.updated_at) // 1000,
        "creation_time": to_us(experiment.created_at) // 1000,
        "tags": [{"key": key, "value": value} for key, value in experiment.tags.items()],
    }
