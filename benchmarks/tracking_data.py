"""The runs that `bench_tracking` searches, the same in both databases.

Written in bulk by each side's own tables, because MLflow would take the better part of an hour for them over HTTP:
`python tracking_data.py mlflow DATABASE-URL` in the peer's environment, `... tidewheel HOME` in ours. So this file
imports either only where it needs it.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections.abc import Iterator
from typing import Any

RUNS, POINTS = 10_000, 100_000
SEARCHED, HISTORY = "bench-search", "bench-history"
BEGUN_MS = 1_767_225_600_000


def runs() -> Iterator[dict[str, Any]]:
    """10,000 runs of 5 params, 5 metrics and 3 tags each."""
    rng = random.Random(7)
    for number in range(RUNS):
        yield {
            "number": number,
            "params": {
                "model": rng.choice(["lgbm", "xgb", "linear"]),
                "depth": str(rng.randint(2, 12)),
                "rate": f"{rng.uniform(0.001, 0.3):.4f}",
                "seed": str(rng.randint(0, 9999)),
                "rows": str(rng.choice([10_000, 100_000, 1_000_000])),
            },
            "metrics": {key: rng.random() for key in ("auc", "log_loss", "f1", "recall", "latency_ms")},
            "tags": {"mlflow.user": rng.choice("abcdef"), "mlflow.source.name": "train.py", "team": rng.choice("xyz")},
        }


def points() -> list[tuple[int, float]]:
    """Step and value of the long history."""
    rng = random.Random(8)
    return [(step, rng.random()) for step in range(POINTS)]


def load_into_tidewheel(home: str) -> None:
    """Write them by Tidewheel's own tables."""
    import sqlalchemy as sa

    from tidewheel.app import open_platform
    from tidewheel.tracking import metric_store, store

    with open_platform(home) as platform:
        searched, long = (platform.experiments.create(name) for name in (SEARCHED, HISTORY))
        described = [(f"run_{run['number']:08d}", run) for run in runs()]
        rows = [_run_row(searched, run_id, run["number"] * 1_000_000) for run_id, run in described]
        rows.append(_run_row(long, "run_long", 0))
        values = {
            kind: [{"run_id": i, "key": key, "value": run[kind][key]} for i, run in described for key in run[kind]]
            for kind in ("params", "tags", "metrics")
        }
        latest = [_series_row(row["run_id"], row["key"], 0, row["value"]) for row in values["metrics"]]
        history = points()
        latest.append(_series_row("run_long", "loss_0", *history[-1]))
        with platform.metadata.record() as connection:
            connection.execute(sa.insert(store.runs), rows)
            connection.execute(sa.insert(store.params), values["params"])
            connection.execute(sa.insert(store.tags), values["tags"])
            connection.execute(sa.insert(metric_store.metrics), latest)
            numbers = {(row.run_id, row.key): row.id for row in connection.execute(sa.select(metric_store.metrics))}
            all_points = [_point_row(numbers[row["run_id"], row["key"]], 0, row["value"]) for row in values["metrics"]]
            all_points += [_point_row(numbers["run_long", "loss_0"], *point) for point in history]
            connection.execute(sa.insert(metric_store.points), all_points)


def _run_row(experiment: Any, run_id: str, after_us: int) -> dict[str, Any]:
    at_us = BEGUN_MS * 1000 + after_us
    return {
        "id": run_id, "experiment_id": experiment.id, "name": run_id, "user": "ada", "status": "FINISHED",
        "lifecycle_stage": "active", "started_at_us": at_us, "ended_at_us": at_us + 500_000,
        "artifact_uri": experiment.artifact_root(run_id), "inputs": [],
    }  # fmt: skip


def _series_row(run_id: str, key: str, step: int, value: float) -> dict[str, Any]:
    at_us = BEGUN_MS * 1000 + step
    return {"run_id": run_id, "key": key, "step": step, "at_us": at_us, "value": value, "is_nan": False}


def _point_row(number: int, step: int, value: float) -> dict[str, Any]:
    return {"metric_id": number, "step": step, "at_us": BEGUN_MS * 1000 + step, "value": value, "is_nan": False}


def load_into_mlflow(url: str) -> None:
    """Write the same rows by MLflow's own table classes."""
    import sqlalchemy as sa
    from mlflow.store.tracking.dbmodels import models as m
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(url, "mlflow-artifacts:/")
    searched, long = (int(store.create_experiment(name)) for name in (SEARCHED, HISTORY))
    rows: dict[Any, list[dict[str, Any]]] = {
        each: [] for each in (m.SqlRun, m.SqlParam, m.SqlTag, m.SqlMetric, m.SqlLatestMetric)
    }
    for run in runs():
        at_ms, run_id = BEGUN_MS + run["number"] * 1000, uuid.uuid4().hex
        rows[m.SqlRun].append(_mlflow_run(run_id, f"run-{run['number']}", searched, at_ms))
        rows[m.SqlParam] += [{"run_uuid": run_id, "key": k, "value": v} for k, v in run["params"].items()]
        named = run["tags"] | {"mlflow.runName": f"run-{run['number']}"}
        rows[m.SqlTag] += [{"run_uuid": run_id, "key": k, "value": v} for k, v in named.items()]
        measured = [_mlflow_point(run_id, key, value, at_ms, 0) for key, value in run["metrics"].items()]
        rows[m.SqlMetric] += measured
        rows[m.SqlLatestMetric] += measured
    run_id = uuid.uuid4().hex
    rows[m.SqlRun].append(_mlflow_run(run_id, "long", long, BEGUN_MS))
    history = [_mlflow_point(run_id, "loss_0", value, BEGUN_MS + step, step) for step, value in points()]
    rows[m.SqlMetric] += history
    rows[m.SqlLatestMetric].append(history[-1])
    with store.engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(sa.insert(table.__table__), values)


def _mlflow_run(run_id: str, name: str, experiment_id: int, at_ms: int) -> dict[str, Any]:
    return {
        "run_uuid": run_id, "name": name, "experiment_id": experiment_id, "user_id": "ada", "status": "FINISHED",
        "source_type": "UNKNOWN", "source_name": "", "entry_point_name": "", "source_version": "",
        "start_time": at_ms, "end_time": at_ms + 500, "lifecycle_stage": "active",
        "artifact_uri": f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts",
    }  # fmt: skip


def _mlflow_point(run_id: str, key: str, value: float, at_ms: int, step: int) -> dict[str, Any]:
    return {"run_uuid": run_id, "key": key, "value": value, "timestamp": at_ms, "step": step, "is_nan": False}


if __name__ == "__main__":
    {"mlflow": load_into_mlflow, "tidewheel": load_into_tidewheel}[sys.argv[1]](sys.argv[2])
