"""The runs that `bench_tracking` searches, the same in both databases.

Tidewheel gets them over its HTTP interface. MLflow would take the better part of an hour for that, so its own table
classes write them into its database in bulk, in its own environment: `python tracking_data.py DATABASE-URL`. For that
this file imports nothing of Tidewheel, and MLflow only there.
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
_API = "/api/2.0/mlflow"


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


def load_over_http(http: Any) -> None:
    """Create and describe every run, then the long history, over MLflow's REST calls."""
    home = http.post(f"{_API}/experiments/create", {"name": SEARCHED})["experiment_id"]
    for run in runs():
        at_ms = BEGUN_MS + run["number"] * 1000
        created = {"experiment_id": home, "start_time": at_ms, "run_name": f"run-{run['number']}", "user_id": "ada"}
        run_id = http.post(f"{_API}/runs/create", created | {"tags": _pairs(run["tags"])})["run"]["info"]["run_id"]
        metrics = [{"key": key, "value": value, "timestamp": at_ms, "step": 0} for key, value in run["metrics"].items()]
        http.post(f"{_API}/runs/log-batch", {"run_id": run_id, "params": _pairs(run["params"]), "metrics": metrics})
        http.post(f"{_API}/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": at_ms + 500})
    home = http.post(f"{_API}/experiments/create", {"name": HISTORY})["experiment_id"]
    run_id = http.post(f"{_API}/runs/create", {"experiment_id": home, "start_time": BEGUN_MS})["run"]["info"]["run_id"]
    history = points()
    for first in range(0, POINTS, 1000):
        batch = [
            {"key": "loss_0", "value": value, "timestamp": BEGUN_MS + step, "step": step}
            for step, value in history[first : first + 1000]
        ]
        http.post(f"{_API}/runs/log-batch", {"run_id": run_id, "metrics": batch})


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


def _pairs(texts: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]


if __name__ == "__main__":
    load_into_mlflow(sys.argv[1])
