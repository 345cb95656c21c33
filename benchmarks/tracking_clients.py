"""The `mlflow` client's cases of `bench_tracking`: the same Python against both servers, its own cost included."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from benchmarks.keep_alive import KeepAlive
from benchmarks.tracking_cases import FILTER, Case, Once
from benchmarks.tracking_data import RUNS, SEARCHED

if TYPE_CHECKING:
    from mlflow import MlflowClient

_counter = itertools.count(1)


def client_of(http: KeepAlive) -> MlflowClient:
    """MLflow's client for the server that a connection leads to."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=http.url, registry_uri=http.url)


def log_batch(http: KeepAlive, experiment_id: str) -> Once:
    """1,000 points of 10 series into one run."""
    from mlflow.entities import Metric

    client, steps = client_of(http), itertools.count(step=100)
    run_id = client.create_run(experiment_id).info.run_id

    def once() -> None:
        first, now_ms = next(steps), int(time.time() * 1000)
        client.log_batch(run_id, [Metric(f"loss_{n % 10}", n / 7919, now_ms, first + n // 10) for n in range(1000)])

    return once


def log_metric(http: KeepAlive, experiment_id: str) -> Once:
    """One point."""
    client, steps = client_of(http), itertools.count()
    run_id = client.create_run(experiment_id).info.run_id
    return lambda: client.log_metric(run_id, "loss", 0.25, step=next(steps))


def log_param(http: KeepAlive, experiment_id: str) -> Once:
    """One new param."""
    client = client_of(http)
    run_id = client.create_run(experiment_id).info.run_id
    return lambda: client.log_param(run_id, f"param_{next(_counter)}", "0.1")


def start_and_end(http: KeepAlive, experiment_id: str) -> Once:
    """A run created and finished."""
    client = client_of(http)
    return lambda: client.set_terminated(client.create_run(experiment_id).info.run_id)


def search_runs(http: KeepAlive, experiment_id: str) -> Once:
    """The 100 best by a metric, as run objects."""
    client = client_of(http)
    home = client.get_experiment_by_name(SEARCHED)
    assert home is not None
    return lambda: client.search_runs([home.experiment_id], FILTER, max_results=100, order_by=["metrics.auc DESC"])


CLIENT_CASES = [
    Case("log_batch, 1,000 metrics", None, log_batch),
    Case("log_metric", None, log_metric),
    Case("log_param", None, log_param),
    Case("create_run + set_terminated", None, start_and_end),
    Case(f"search {RUNS:,} runs, 100 best", None, search_runs),
]
