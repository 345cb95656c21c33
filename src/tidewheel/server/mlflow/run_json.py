"""Runs as MLflow writes them, of search and of every call that answers with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidewheel.base.units import to_us
from tidewheel.server.mlflow.entities import pairs
from tidewheel.server.mlflow.protocol import number
from tidewheel.tracking.logged_model_records import RunModel
from tidewheel.tracking.records import RUN_NAME_TAG, DatasetInput, Run

if TYPE_CHECKING:
    from tidewheel.tracking.run_sheets import RunSheet

Point = tuple[str, int, int, float]


def sheet_json(sheet: RunSheet) -> dict[str, Any]:
    """One run with its data, inputs and outputs."""
    return run_json(sheet.run, sheet.latest, sheet.used, sheet.made)


def run_json(
    run: Run, latest: Sequence[Point] = (), used: Sequence[RunModel] = (), made: Sequence[RunModel] = ()
) -> dict[str, Any]:
    """One run."""
    inputs: dict[str, Any] = {}
    if run.datasets:
        inputs["dataset_inputs"] = [_dataset_json(dataset) for dataset in run.datasets]
    if used:
        inputs["model_inputs"] = [{"model_id": model.model_id} for model in used]
    outputs = {"model_outputs": [{"model_id": m.model_id, "step": m.step} for m in made]} if made else {}
    return {"info": info_json(run), "data": _data_json(run, latest), "inputs": inputs, "outputs": outputs}


def info_json(run: Run) -> dict[str, Any]:
    """What of a run MLflow calls its info."""
    info: dict[str, Any] = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.name,
        "experiment_id": run.experiment_id,
        "user_id": run.user,
        "status": run.status,
        "start_time": to_us(run.started_at) // 1000,
        "artifact_uri": run.artifact_uri,
        "lifecycle_stage": run.lifecycle_stage,
    }
    if run.ended_at is not None:
        info["end_time"] = to_us(run.ended_at) // 1000
    return info


def metric_json(point: Point) -> dict[str, Any]:
    """A metric point as MLflow writes it."""
    key, step, at_us, value = point
    return {"key": key, "value": number(value), "timestamp": at_us // 1000, "step": step}


def _data_json(run: Run, latest: Sequence[Point]) -> dict[str, Any]:
    named: Mapping[str, str] = {**run.tags, RUN_NAME_TAG: run.name}
    data: dict[str, Any] = {"tags": pairs(named)}
    if latest:
        data["metrics"] = [metric_json(point) for point in latest]
    if run.params:
        data["params"] = pairs(run.params)
    return data


def _dataset_json(given: DatasetInput) -> dict[str, Any]:
    dataset = {
        "name": given.name, "digest": given.digest, "source_type": given.source_type, "source": given.source,
    }  # fmt: skip
    dataset |= {"schema": given.schema} if given.schema is not None else {}
    dataset |= {"profile": given.profile} if given.profile is not None else {}
    return {"tags": pairs(given.tags), "dataset": dataset}
