"""MLflow 3's addresses of logged models; those of the models that a run used or made are in `run_inputs.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from tidewheel.base.units import to_us
from tidewheel.server.mlflow.artifacts import download_below, listing_json
from tidewheel.server.mlflow.errors import MLflowError, invalid
from tidewheel.server.mlflow.protocol import call, number, stream
from tidewheel.tracking.logged_model_records import (
    DatasetRef,
    LoggedModel,
    LoggedModelStatus,
    ModelMetric,
    ModelOrder,
)

if TYPE_CHECKING:
    from tidewheel.app import Platform

_STATUSES: tuple[tuple[str, LoggedModelStatus], ...] = (  # by MLflow's numbers
    ("LOGGED_MODEL_STATUS_UNSPECIFIED", "UNSPECIFIED"),
    ("LOGGED_MODEL_PENDING", "PENDING"),
    ("LOGGED_MODEL_READY", "READY"),
    ("LOGGED_MODEL_UPLOAD_FAILED", "FAILED"),
)
_WIRE_STATUS = {status: name for name, status in _STATUSES}


class Text(msgspec.Struct):
    key: str = ""
    value: str = ""


class Creation(msgspec.Struct):
    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[Text] = []
    tags: list[Text] = []


class ModelId(msgspec.Struct):
    model_id: str = ""
    allow_deleted: Literal["true", "false", "True", "False"] | bool = False


class Finalization(msgspec.Struct):
    model_id: str = ""
    status: str | int = ""


class Texts(msgspec.Struct):
    model_id: str = ""
    params: list[Text] = []
    tags: list[Text] = []


class TagKey(msgspec.Struct):
    model_id: str = ""
    tag_key: str = ""


class Dataset(msgspec.Struct):
    dataset_name: str = ""
    dataset_digest: str = ""


class Order(msgspec.Struct):
    field_name: str = ""
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class Search(msgspec.Struct):
    experiment_ids: list[str] = []
    filter: str = ""
    datasets: list[Dataset] = []
    max_results: int = 0
    order_by: list[Order] = []
    page_token: str = ""


class ModelFolder(msgspec.Struct):
    model_id: str = ""
    artifact_directory_path: str = ""


@call("POST", "/logged-models", required=("experiment_id",))
def create(platform: Platform, sent: Creation) -> dict[str, Any]:
    model = platform.logged_models.create(
        sent.experiment_id,
        sent.name or None,
        sent.source_run_id,
        _texts(sent.params),
        _texts(sent.tags),
        sent.model_type,
    )
    return {"model": model_json(model)}


@call("GET", "/logged-models/{model_id}")
def get(platform: Platform, sent: ModelId) -> dict[str, Any]:
    deleted = str(sent.allow_deleted).lower() == "true"
    return {"model": model_json(platform.logged_models.model(sent.model_id, deleted=deleted))}


@call("PATCH", "/logged-models/{model_id}", required=("model_id", "status"))
def finalize(platform: Platform, sent: Finalization) -> dict[str, Any]:
    return {"model": model_json(platform.logged_models.finalize(sent.model_id, _status(sent.status)))}


@call("DELETE", "/logged-models/{model_id}")
def delete(platform: Platform, sent: ModelId) -> None:
    platform.logged_models.delete(sent.model_id)


@call("POST", "/logged-models/{model_id}/params")
def log_params(platform: Platform, sent: Texts) -> None:
    platform.logged_models.log_params(sent.model_id, _texts(sent.params))


@call("PATCH", "/logged-models/{model_id}/tags")
def set_tags(platform: Platform, sent: Texts) -> None:
    platform.logged_models.set_tags(sent.model_id, _texts(sent.tags))


@call("DELETE", "/logged-models/{model_id}/tags/{tag_key:path}")
def delete_tag(platform: Platform, sent: TagKey) -> None:
    platform.logged_models.delete_tag(sent.model_id, sent.tag_key)


@call("POST", "/logged-models/search", required=("experiment_ids",))
def search(platform: Platform, sent: Search) -> dict[str, Any]:
    if not all(dataset.dataset_name for dataset in sent.datasets):
        raise invalid("`dataset_name` in the `datasets` clause must be specified.")
    page = platform.logged_models.search(
        sent.experiment_ids,
        sent.filter,
        [DatasetRef(dataset.dataset_name, dataset.dataset_digest or None) for dataset in sent.datasets],
        [_order(order) for order in sent.order_by],
        sent.max_results or 100,
        sent.page_token or None,
    )
    more = {"next_page_token": page.next_page_token} if page.next_page_token else {}
    return {"models": [model_json(model) for model in page.models], **more}


@call("GET", "/logged-models/{model_id}/artifacts/directories")
def list_folder(platform: Platform, sent: ModelFolder) -> dict[str, Any]:
    location = platform.logged_models.model(sent.model_id).artifact_location
    return listing_json(platform, location, sent.artifact_directory_path)


@stream("GET", "/logged-models/{model_id}/artifacts/files", root="/mlflow")
async def download(platform: Platform, request: Request) -> Any:
    path = request.query_params.get("artifact_file_path")
    if not path:
        raise MLflowError("BAD_REQUEST", 'Request must include the "artifact_file_path" query parameter.')
    model = await run_in_threadpool(platform.logged_models.model, request.path_params["model_id"])
    return await download_below(platform, request, model.artifact_location, path)


def model_json(model: LoggedModel) -> dict[str, Any]:
    """A logged model as MLflow writes it."""
    info = {
        "model_id": model.id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": to_us(model.created_at) // 1000,
        "last_updated_timestamp_ms": to_us(model.updated_at) // 1000,
        "artifact_uri": model.artifact_location,
        "status": _WIRE_STATUS[model.status],
        "model_type": model.model_type,
        "source_run_id": model.source_run_id,
        "status_message": model.status_message,
        "tags": _pairs(model.tags),
    }
    shown = {key: value for key, value in info.items() if value not in ("", [])}
    return {
        "info": shown,
        "data": {"params": _pairs(model.params), "metrics": [_metric_json(model.id, m) for m in model.metrics]},
    }


def _metric_json(model_id: str, metric: ModelMetric) -> dict[str, Any]:
    written: dict[str, Any] = {
        "key": metric.key,
        "value": number(metric.value),
        "timestamp": to_us(metric.at) // 1000,
        "step": metric.step,
        "model_id": model_id,
        "run_id": metric.run_id,
    }
    if metric.dataset_name:
        written["dataset_name"] = metric.dataset_name
    if metric.dataset_digest:
        written["dataset_digest"] = metric.dataset_digest
    return written


def _texts(pairs: list[Text]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


def _pairs(texts: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]


def _order(order: Order) -> ModelOrder:
    dataset = DatasetRef(order.dataset_name, order.dataset_digest or None) if order.dataset_name else None
    return ModelOrder(order.field_name, order.ascending, dataset)


def _status(sent: str | int) -> LoggedModelStatus:
    for index, (name, status) in enumerate(_STATUSES):
        if str(sent) in (name, str(index)):
            return status
    raise invalid(f"Unknown model status: {str(sent)[:80]}")
