"""MLflow's addresses of runs: begun, changed, described, found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tidewheel.server.mlflow.entities import KeyValue, instant, stage_of, texts
from tidewheel.server.mlflow.errors import MLflowError, invalid
from tidewheel.server.mlflow.protocol import call, missing, wrong
from tidewheel.server.mlflow.run_json import info_json, run_json, sheet_json
from tidewheel.tracking.records import RUN_NAME_TAG, RunStatus
from tidewheel.tracking.run_search import RunSearch as Search

if TYPE_CHECKING:
    from tidewheel.app import Platform

_MAX_RUNS = 50_000
_STATUSES: dict[int, RunStatus] = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_USER_TAG = "mlflow.user"


class NewRun(msgspec.Struct):
    experiment_id: str = ""
    user_id: str = ""
    run_name: str = ""
    start_time: int | None = None
    tags: list[KeyValue] = []


class ChangedRun(msgspec.Struct):
    run_id: str = ""
    run_uuid: str = ""
    status: Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"] | int | None = None
    end_time: int | None = None
    run_name: str = ""


class RunId(msgspec.Struct):
    run_id: str = ""
    run_uuid: str = ""


class RunTag(msgspec.Struct):
    run_id: str = ""
    run_uuid: str = ""
    key: str = ""
    value: str = ""


class RunSearch(msgspec.Struct):
    experiment_ids: list[str] = []
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = []
    page_token: str = ""


@call("POST", "/runs/create")
def create_run(platform: Platform, sent: NewRun) -> dict[str, Any]:
    tags = texts(sent.tags)
    tagged = tags.pop(RUN_NAME_TAG, "")
    if sent.run_name and tagged and sent.run_name != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{sent.run_name}', mlflow.runName='{tagged}')."
        )
    run = platform.tracking.start_run(
        experiment_id=sent.experiment_id or "0",
        name=sent.run_name or tagged or None,
        tags=tags,
        started_at=instant("start_time", sent.start_time) if sent.start_time else None,
        user=sent.user_id or tags.get(_USER_TAG) or None,
    )
    return {"run": run_json(run)}


@call("POST", "/runs/update", required=("run_id",))
def update_run(platform: Platform, sent: ChangedRun) -> dict[str, Any]:
    status = sent.status
    if isinstance(status, int):
        if status not in _STATUSES:
            raise wrong("status", status)
        status = _STATUSES[status]
    ended_at = instant("end_time", sent.end_time) if sent.end_time is not None else None
    return {"run_info": info_json(platform.tracking.change_run(sent.run_id, status, ended_at, sent.run_name or None))}


@call("POST", "/runs/delete", required=("run_id",))
def delete_run(platform: Platform, sent: RunId) -> None:
    platform.tracking.delete_run(sent.run_id)


@call("POST", "/runs/restore", required=("run_id",))
def restore_run(platform: Platform, sent: RunId) -> None:
    platform.tracking.restore_run(sent.run_id)


@call("GET", "/runs/get")
def get_run(platform: Platform, sent: RunId) -> dict[str, Any]:
    run_id = sent.run_id or sent.run_uuid
    if not run_id:
        raise missing("run_id")
    return {"run": sheet_json(platform.tracking.sheet(run_id))}


@call("POST", "/runs/search")
def search_runs(platform: Platform, sent: RunSearch) -> dict[str, Any]:
    if sent.max_results > _MAX_RUNS:
        raise wrong("max_results", sent.max_results)
    stage = stage_of(sent.run_view_type)
    search = Search(sent.experiment_ids, sent.filter, sent.order_by, sent.max_results, sent.page_token, stage)
    sheets, token = platform.tracking.search_sheets(search)
    return {"runs": [sheet_json(sheet) for sheet in sheets]} | ({"next_page_token": token} if token else {})


@call("POST", "/runs/set-tag", required=("run_id", "key"))
def set_tag(platform: Platform, sent: RunTag) -> None:
    platform.tracking.write_batch(sent.run_id, (), {}, {sent.key: sent.value[:8000]})


@call("POST", "/runs/delete-tag", required=("run_id", "key"))
def delete_tag(platform: Platform, sent: RunTag) -> None:
    platform.tracking.delete_tag(sent.run_id, sent.key)


class LegacyModel(msgspec.Struct):
    run_id: str = ""
    model_json: str = ""


@call("POST", "/runs/log-model", required=("run_id", "model_json"))
def log_model(platform: Platform, sent: LegacyModel) -> None:
    """What clients before MLflow 3 send: the model's description is kept in a tag, newest last."""
    try:
        model = msgspec.json.decode(sent.model_json)
    except msgspec.DecodeError:
        raise invalid(f"Malformed model info. \n {sent.model_json[:1000]} \n is not a valid JSON.") from None
    lacking = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model if isinstance(model, dict) else ())
    if lacking:
        raise invalid(f"Model json is missing mandatory fields: {lacking}")
    kept = platform.tracking.run(sent.run_id).tags.get(_MODELS_TAG, "[]")
    history = msgspec.json.decode(kept)
    if not isinstance(history, list):
        raise MLflowError("INVALID_STATE", f"The tag {_MODELS_TAG} of the run {sent.run_id} is not a list.")
    model.get("flavors", {}).pop("config", None)
    written = msgspec.json.encode([*history, model]).decode()
    platform.tracking.write_batch(sent.run_id, (), {}, {_MODELS_TAG: written})


_MODELS_TAG = "mlflow.log-model.history"
