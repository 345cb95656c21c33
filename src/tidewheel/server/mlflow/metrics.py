"""MLflow's addresses for what runs measure: single calls, batches, histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.base.page_tokens import page_offset, page_token
from tidewheel.base.units import from_us
from tidewheel.server.mlflow.entities import KeyValue, texts
from tidewheel.server.mlflow.errors import invalid
from tidewheel.server.mlflow.protocol import call, missing, wrong
from tidewheel.server.mlflow.run_json import Point, metric_json
from tidewheel.tracking.limits import MAX_INSTANT_US, MAX_PARAM, MAX_TAG
from tidewheel.tracking.logged_model_records import ModelMetric

if TYPE_CHECKING:
    from tidewheel.app import Platform

_MAX_METRICS, _MAX_PARAMS, _MAX_TAGS, _MAX_BATCH = 1000, 100, 100, 1000
_MAX_HISTORY = 25_000
_MAX_BULK_RUNS = 100
_MAX_INTERVAL_RESULTS = 2500


class Metric(msgspec.Struct, gc=False):
    key: str = ""
    value: float | None = None
    timestamp: int | None = None
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class LoggedMetric(Metric, gc=False):
    run_id: str = ""
    run_uuid: str = ""


class LoggedParam(msgspec.Struct):
    run_id: str = ""
    run_uuid: str = ""
    key: str = ""
    value: str = ""


class Batch(msgspec.Struct):
    run_id: str = ""
    metrics: list[Metric] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class History(msgspec.Struct):
    run_id: str = ""
    run_uuid: str = ""
    metric_key: str = ""
    max_results: int | None = None
    page_token: str = ""


class BulkHistory(msgspec.Struct):
    run_id: list[str] = []
    metric_key: str = ""
    max_results: int = _MAX_HISTORY


class BulkInterval(msgspec.Struct):
    run_ids: list[str] = []
    metric_key: str = ""
    start_step: int | None = None
    end_step: int | None = None
    max_results: int = _MAX_INTERVAL_RESULTS


@call("POST", "/runs/log-metric", required=("run_id", "key", "value", "timestamp"))
def log_metric(platform: Platform, sent: LoggedMetric) -> None:
    measured = _measured(sent.run_id, [sent])
    platform.tracking.write_batch(sent.run_id, [_point(sent, "")], {}, {}, measured)


@call("POST", "/runs/log-parameter", required=("run_id", "key"))
def log_param(platform: Platform, sent: LoggedParam) -> None:
    platform.tracking.write_batch(sent.run_id, (), {sent.key: sent.value[:MAX_PARAM]}, {})


@call("POST", "/runs/log-batch", required=("run_id",))
def log_batch(platform: Platform, sent: Batch) -> None:
    _check_sizes(sent)
    points = _points(sent.metrics)
    tags = {key: value[:MAX_TAG] for key, value in texts(sent.tags).items()}
    platform.tracking.write_batch(sent.run_id, points, _params(sent.params), tags, _measured(sent.run_id, sent.metrics))


@call("GET", "/metrics/get-history")
def get_history(platform: Platform, sent: History) -> dict[str, Any]:
    run_id = sent.run_id or sent.run_uuid
    if not run_id or not sent.metric_key:
        raise missing("metric_key" if run_id else "run_id")
    if sent.max_results is not None and sent.max_results <= 0:
        raise invalid(
            f"Invalid value {sent.max_results} for parameter 'max_results' supplied. It must be a positive integer."
        )
    offset = page_offset(sent.page_token)
    if sent.max_results is None:
        found = platform.tracking.points(run_id, sent.metric_key)[offset:]
        return {"metrics": [metric_json(point) for point in found]}
    found = platform.tracking.points(run_id, sent.metric_key, sent.max_results + 1, offset)
    answer: dict[str, Any] = {"metrics": [metric_json(point) for point in found[: sent.max_results]]}
    more = len(found) > sent.max_results
    return answer | ({"next_page_token": page_token(offset + sent.max_results)} if more else {})


@call("GET", "/metrics/get-history-bulk")
def get_history_bulk(platform: Platform, sent: BulkHistory) -> dict[str, Any]:
    if not 1 <= len(sent.run_id) <= _MAX_BULK_RUNS:
        told = (
            "must specify at least one run_id."
            if not sent.run_id
            else f"cannot specify more than {_MAX_BULK_RUNS} run_ids. Received {len(sent.run_id)} run_ids."
        )
        raise invalid(f"GetMetricHistoryBulk request {told}")
    if not sent.metric_key:
        raise invalid("GetMetricHistoryBulk request must specify a metric_key.")
    limit = min(sent.max_results, _MAX_HISTORY)
    found: list[dict[str, Any]] = []
    for run_id in sorted(sent.run_id):
        points = platform.tracking.points(run_id, sent.metric_key, limit - len(found)) if len(found) < limit else []
        found += [{**metric_json(point), "run_id": run_id} for point in sorted(points, key=_by_instant)]
    return {"metrics": found}


@call("GET", "/metrics/get-history-bulk-interval", required=("run_ids", "metric_key"))
def get_history_bulk_interval(platform: Platform, sent: BulkInterval) -> dict[str, Any]:
    if len(sent.run_ids) > _MAX_BULK_RUNS:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {_MAX_BULK_RUNS} run_ids. "
            f"Received {len(sent.run_ids)} run_ids."
        )
    if not 1 <= sent.max_results <= _MAX_INTERVAL_RESULTS:
        raise invalid(f"max_results must be between 1 and {_MAX_INTERVAL_RESULTS}.")
    if (sent.start_step is None) != (sent.end_step is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if sent.start_step is not None and sent.end_step is not None and sent.start_step > sent.end_step:
        raise invalid(
            "end_step must be greater than start_step. "
            f"Found start_step={sent.start_step} and end_step={sent.end_step}."
        )
    found = platform.tracking.sampled_points(
        sent.run_ids, sent.metric_key, sent.max_results, sent.start_step, sent.end_step
    )
    return {
        "metrics": [{**metric_json(point), "run_id": run_id} for run_id, points in found.items() for point in points]
    }


def _check_sizes(sent: Batch) -> None:
    counted: dict[str, tuple[Sequence[object], int]] = {
        "metrics": (sent.metrics, _MAX_METRICS),
        "params": (sent.params, _MAX_PARAMS),
        "tags": (sent.tags, _MAX_TAGS),
    }
    for noun, (items, highest) in counted.items():
        if len(items) > highest:
            raise invalid(
                f"A batch logging request can contain at most {highest} {noun}. Got {len(items)} {noun}. "
                f"Please split up {noun} across multiple requests and try again."
            )
    total = len(sent.metrics) + len(sent.params) + len(sent.tags)
    if total > _MAX_BATCH:
        raise invalid(
            f"A batch logging request can contain at most {_MAX_BATCH} metrics, params, and tags in total. "
            f"Got {total}. Please split up across multiple requests and try again."
        )


def _points(metrics: Sequence[Metric]) -> list[Point]:
    """All of a batch as plain numbers: at once if nothing is missing, else one by one, to say what is."""
    keys = [metric.key for metric in metrics]
    values: list[Any] = [metric.value for metric in metrics]
    instants: list[Any] = [metric.timestamp for metric in metrics]
    if "" not in keys and None not in values and None not in instants:
        instants_us = [instant * 1000 for instant in instants]
        if metrics and min(instants_us) >= 0 and max(instants_us) <= MAX_INSTANT_US:
            return list(zip(keys, [metric.step for metric in metrics], instants_us, values, strict=True))
    return [_point(metric, f"metrics[{position}].") for position, metric in enumerate(metrics)]


def _point(metric: Metric, place: str) -> Point:
    if not metric.key:
        raise missing(f"{place}key")
    if metric.value is None:
        raise missing(f"{place}value")
    if metric.timestamp is None:
        raise missing(f"{place}timestamp")
    if not 0 <= metric.timestamp * 1000 <= MAX_INSTANT_US:
        raise wrong(f"{place}timestamp", metric.timestamp, "Timestamp must be a nonnegative long (64-bit integer).")
    return metric.key, metric.step, metric.timestamp * 1000, metric.value


def _params(sent: Sequence[KeyValue]) -> dict[str, str]:
    """Params as a mapping. The same key twice in one batch is refused, as by MLflow."""
    params = texts(sent, "params")
    if len(params) < len(sent):
        seen: set[str] = set()
        twice = [pair.key for pair in sent if pair.key in seen or seen.add(pair.key)]  # type: ignore[func-returns-value]
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the request contains only one param "
            "value per param key."
        )
    return {key: value[:MAX_PARAM] for key, value in params.items()}


def _measured(run_id: str, metrics: Sequence[Metric]) -> dict[str, list[ModelMetric]]:
    """What of a batch is said of logged models, by their ids."""
    found: dict[str, list[ModelMetric]] = {}
    for metric in metrics:
        if metric.model_id and metric.value is not None and metric.timestamp is not None:
            found.setdefault(metric.model_id, []).append(
                ModelMetric(
                    key=metric.key,
                    value=metric.value,
                    step=metric.step,
                    at=from_us(metric.timestamp * 1000),
                    run_id=run_id,
                    dataset_name=metric.dataset_name or None,
                    dataset_digest=metric.dataset_digest or None,
                )
            )
    return found


def _by_instant(point: Point) -> tuple[int, int, float]:
    return point[2], point[1], point[3]
