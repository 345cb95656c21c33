"""What `bench_tracking` asks of both servers: the same MLflow REST calls with the same bytes.

A case is prepared once per server and then repeated; it never measures its own preparation.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.keep_alive import KeepAlive
from benchmarks.tracking_data import HISTORY, POINTS, RUNS, SEARCHED

API = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


FILTER = "metrics.auc > 0.5 and params.model = 'lgbm'"
_counter = itertools.count(1)

Once = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A name, its target (how many times faster than MLflow), and what prepares the repeated call."""

    name: str
    target: float | None
    prepare: Callable[[KeepAlive, str], Once]


def new_run(http: KeepAlive, experiment_id: str) -> dict[str, Any]:
    """A run of one's own."""
    run: dict[str, Any] = http.post(f"{API}/runs/create", _created(experiment_id))["run"]["info"]
    return run


def metric_points(count: int, keys: int, first_step: int) -> list[dict[str, Any]]:
    """Points of several series at rising steps."""
    now_ms = int(time.time() * 1000)
    return [
        {"key": f"loss_{n % keys}", "value": 0.5 + n / 7919, "timestamp": now_ms + n, "step": first_step + n // keys}
        for n in range(count)
    ]


def log_batch(http: KeepAlive, experiment_id: str) -> Once:
    """1,000 points of 10 series into one run, at new steps each time."""
    run_id = new_run(http, experiment_id)["run_id"]
    steps = itertools.count(step=100)
    return lambda: http.post(
        f"{API}/runs/log-batch", {"run_id": run_id, "metrics": metric_points(1000, 10, next(steps))}
    )


def log_metric(http: KeepAlive, experiment_id: str) -> Once:
    """One point, at a new step each time."""
    run_id = new_run(http, experiment_id)["run_id"]
    steps = itertools.count()

    def once() -> object:
        point = {"key": "loss", "value": 0.25, "timestamp": int(time.time() * 1000), "step": next(steps)}
        return http.post(f"{API}/runs/log-metric", {"run_id": run_id, **point})

    return once


def log_param(http: KeepAlive, experiment_id: str) -> Once:
    """One new param."""
    run_id = new_run(http, experiment_id)["run_id"]
    return lambda: http.post(
        f"{API}/runs/log-parameter", {"run_id": run_id, "key": f"param_{next(_counter)}", "value": "0.1"}
    )


def start_and_end(http: KeepAlive, experiment_id: str) -> Once:
    """A run created and finished: two calls."""

    def once() -> object:
        run_id = new_run(http, experiment_id)["run_id"]
        ended = {"run_id": run_id, "status": "FINISHED", "end_time": int(time.time() * 1000)}
        return http.post(f"{API}/runs/update", ended)

    return once


def get_run(http: KeepAlive, experiment_id: str) -> Once:
    """One run of the searched experiment."""
    run_id = _search(http, 1)()["runs"][0]["info"]["run_id"]
    return lambda: http.get(f"{API}/runs/get", run_id=run_id)


def search_runs(limit: int) -> Callable[[KeepAlive, str], Once]:
    """A page of the best by a metric, among those that a filter on a metric and a param leaves."""

    def prepare(http: KeepAlive, experiment_id: str) -> Once:
        once = _search(http, limit)
        found = once()["runs"]
        if len(found) != limit:
            raise RuntimeError(f"{len(found)} runs were found instead of {limit}")
        return once

    return prepare


def get_history(http: KeepAlive, experiment_id: str) -> Once:
    """All points of one metric, without a page size: both servers answer them at once."""
    asked = {"experiment_ids": [_experiment(http, HISTORY)], "max_results": 1}
    run_id = http.post(f"{API}/runs/search", asked)["runs"][0]["info"]["run_id"]

    def once() -> object:
        points, token = 0, ""
        while True:
            more = {"page_token": token} if token else {}
            page = http.get(f"{API}/metrics/get-history", run_id=run_id, metric_key="loss_0", **more)
            points += len(page["metrics"])
            token = page.get("next_page_token", "")
            if not token:
                break
        if points != POINTS:
            raise RuntimeError(f"{points} points came instead of {POINTS}")
        return points

    return once


def create_version(http: KeepAlive, experiment_id: str) -> Once:
    """A version of a registered model from a run's artifacts."""
    run = new_run(http, experiment_id)
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    mlmodel = f"flavors:\n  lightgbm:\n    data: model.lgb\n    lgb_version: 4.7.0\nrun_id: {run['run_id']}\n"
    for name, content in {"MLmodel": mlmodel.encode(), "model.lgb": b"tree\n" * 200}.items():
        http.send("PUT", f"{PROXY}/{root}/model/{name}", content, "application/octet-stream")
    name = f"bench-{next(_counter)}"
    http.post(f"{API}/registered-models/create", {"name": name})
    source = {"name": name, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    return lambda: http.post(f"{API}/model-versions/create", source)


def upload(size: int) -> Callable[[KeepAlive, str], Once]:
    """New bytes each time: what is known already would not be written again."""

    def prepare(http: KeepAlive, experiment_id: str) -> Once:
        rest = os.urandom(size - 16)
        root = new_run(http, experiment_id)["artifact_uri"].removeprefix("mlflow-artifacts:/")
        return lambda: http.send(
            "PUT", f"{PROXY}/{root}/{next(_counter)}.bin", os.urandom(16) + rest, "application/octet-stream"
        )

    return prepare


def download(size: int) -> Callable[[KeepAlive, str], Once]:
    """One artifact, again and again."""

    def prepare(http: KeepAlive, experiment_id: str) -> Once:
        root = new_run(http, experiment_id)["artifact_uri"].removeprefix("mlflow-artifacts:/")
        content = os.urandom(size)
        http.send("PUT", f"{PROXY}/{root}/whole.bin", content, "application/octet-stream")

        def once() -> object:
            got = http.send("GET", f"{PROXY}/{root}/whole.bin")
            if len(got) != size:
                raise RuntimeError(f"{len(got)} bytes came instead of {size}")
            return got

        return once

    return prepare


CASES = [
    Case("log_batch, 1,000 metrics", 30, log_batch),
    Case("log_metric", 10, log_metric),
    Case("log_param", 10, log_param),
    Case("start + end run (2 calls)", 10, start_and_end),
    Case("get run", 10, get_run),
    Case(f"search {RUNS:,} runs, 100 best", 20, search_runs(100)),
    Case(f"search {RUNS:,} runs, 1,000 best", 20, search_runs(1000)),
    Case(f"history of {POINTS:,} points", None, get_history),
    Case("create model version", 10, create_version),
    Case("upload 1 MB", None, upload(1_000_000)),
    Case("download 1 MB", None, download(1_000_000)),
    Case("upload 100 MB", None, upload(100_000_000)),
    Case("download 100 MB", None, download(100_000_000)),
]


def _created(experiment_id: str) -> dict[str, Any]:
    tags = [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.source.name", "value": "train.py"}]
    now_ms = int(time.time() * 1000)
    return {
        "experiment_id": experiment_id, "start_time": now_ms, "run_name": f"run-{next(_counter)}", "user_id": "ada",
        "tags": tags,
    }  # fmt: skip


def _search(http: KeepAlive, limit: int) -> Once:
    asked = {"filter": FILTER, "order_by": ["metrics.auc DESC"], "max_results": limit}
    asked["experiment_ids"] = [_experiment(http, SEARCHED)]
    return lambda: http.post(f"{API}/runs/search", asked)


def _experiment(http: KeepAlive, name: str) -> str:
    found = http.get(f"{API}/experiments/get-by-name", experiment_name=name)
    return str(found["experiment"]["experiment_id"])
