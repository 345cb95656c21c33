"""Fills an MLflow store with what teams have in theirs, by MLflow's own client: run as a script with a tracking URI.

    python fill_store.py TRACKING_URI OUT.json [--plain]

Writes the predictions of its models to OUT.json, to be compared after an import. `--plain` leaves out what needs
scikit-learn, for stores that only tracking is tried with.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag

ROWS = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.5], "y": [1.0, 0.5, -1.0, 4.0]})


def main(uri: str, out: Path, plain: bool) -> None:
    """Fill the store at `uri`."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    predictions: dict[str, list[float]] = {}
    rides = client.create_experiment("rides", tags={"team": "surge", "mlflow.note.content": "All about rides."})
    fill_runs(client, rides)
    fill_lifecycles(client, rides)
    if not plain:
        predictions = fill_models(client)
        fill_registry_leftovers(client)
    out.write_text(json.dumps(predictions))


def fill_runs(client: MlflowClient, experiment_id: str) -> None:
    """A sweep: a parent with children, params, tags, series with every kind of float, datasets, artifacts."""
    mlflow.set_experiment(experiment_id=experiment_id)
    with mlflow.start_run(run_name="sweep", description="Looks for a learning rate.") as parent:
        mlflow.log_params({"grid": "[0.1, 0.2]", "note": "ä" * 200, "layer/1.size": 64})
        mlflow.log_input(mlflow.data.from_pandas(ROWS, name="train", source="rides.csv"), context="training")
        mlflow.log_dict({"a": [1, 2]}, "config/settings.json")
        mlflow.log_text("héllo", "notes ünïcode.txt")
        for rate in (0.1, 0.2):
            with mlflow.start_run(run_name=f"rate {rate}", nested=True, tags={"kind": "child"}):
                mlflow.log_param("rate", rate)
                for step in range(20):
                    mlflow.log_metric("loss", 1 / (step + 1) * rate, step=step)
                mlflow.log_input(mlflow.data.from_numpy(np.eye(3), name="eye"), tags={"fold": "1"})
    odd = [math.nan, math.inf, -math.inf, -0.0, 1e-300, 3.0]
    points = [Metric("odd", value, 1_700_000_000_123 + place, place - 2) for place, value in enumerate(odd)]
    points += [Metric("same/step", float(place), 1_700_000_000_000, 0) for place in range(3)]
    points += [Metric("early", 5.0, 1, 7), Metric("late", math.nan, 1_700_000_000_000, 2**40)]
    points += [Metric("long", float(place % 97), 1_700_000_000_000 + place, place) for place in range(900)]
    client.log_batch(parent.info.run_id, metrics=points[:900], params=[Param("after", "end")])
    client.log_batch(parent.info.run_id, metrics=points[900:], tags=[RunTag("mlflow.user", "ada"), RunTag("empty", "")])


def fill_lifecycles(client: MlflowClient, experiment_id: str) -> None:
    """Runs of each status, a deleted one, an empty one, and an experiment that was deleted with its run."""
    for status in ("FINISHED", "FAILED", "KILLED"):
        run = client.create_run(experiment_id, start_time=1_600_000_000_000, run_name=status.lower())
        client.log_metric(run.info.run_id, "m", 0.5, timestamp=1_600_000_000_500, step=3)
        client.set_terminated(run.info.run_id, status, end_time=1_600_000_001_000)
    client.create_run(experiment_id, run_name="still running")
    client.update_run(client.create_run(experiment_id, run_name="planned").info.run_id, status="SCHEDULED")
    deleted = client.create_run(experiment_id, run_name="deleted", tags={"why": "wrong"})
    client.log_param(deleted.info.run_id, "p", "1")
    client.log_text(deleted.info.run_id, "gone, not forgotten", "log.txt")
    client.set_terminated(deleted.info.run_id, RunStatus.to_string(RunStatus.FINISHED))
    client.delete_run(deleted.info.run_id)
    client.create_experiment("empty")
    old = client.create_experiment("abandoned")
    client.log_metric(client.create_run(old, run_name="old").info.run_id, "m", 1.0)
    client.delete_experiment(old)


def fill_models(client: MlflowClient) -> dict[str, list[float]]:
    """Two versions of a scikit-learn model, from MLflow 3's logged models, and one of a pyfunc from a run's folder."""
    from sklearn.linear_model import LinearRegression

    mlflow.set_experiment("models")
    for alpha in (1.0, 2.0):
        fitted = LinearRegression().fit(ROWS, alpha * ROWS["x"] + ROWS["y"])
        with mlflow.start_run(run_name=f"fit {alpha}"):
            mlflow.log_param("alpha", alpha)
            info = mlflow.sklearn.log_model(
                fitted,
                name="linear",
                input_example=ROWS,
                registered_model_name="surge",
                params={"alpha": str(alpha)},
                pip_requirements=["scikit-learn"],  # otherwise it is loaded in a process of its own to find out
            )
            mlflow.log_metric("rmse", alpha / 10, step=1, model_id=info.model_id)
        mlflow.set_logged_model_tags(info.model_id, {"reviewed": "yes"})
    client.update_registered_model("surge", "Prices rides.")
    client.set_registered_model_tag("surge", "owner", "ada")
    client.update_model_version("surge", "1", "The first.")
    client.set_model_version_tag("surge", "2", "quality", "good")
    client.set_registered_model_alias("surge", "champion", "2")
    client.set_registered_model_alias("surge", "fallback", "1")
    client.transition_model_version_stage("surge", "1", "Staging")
    return {
        "surge/1": predict("models:/surge/1"),
        "surge@champion": predict("models:/surge@champion"),
        **others(client),
    }


def others(client: MlflowClient) -> dict[str, list[float]]:
    """Versions whose files lie in a run's artifacts, and in a folder that no run knows; a gap in the numbers."""
    with mlflow.start_run(run_name="by hand") as run:
        with tempfile.TemporaryDirectory() as scratch:
            mlflow.pyfunc.save_model(f"{scratch}/model", python_model=double, pip_requirements=["mlflow"])
            mlflow.log_artifacts(f"{scratch}/model", "hand/model")
        source = f"runs:/{run.info.run_id}/hand/model"
    client.create_registered_model("double", tags={"kind": "function"}, description="Twice as much.")
    uri = mlflow.get_run(run.info.run_id).info.artifact_uri
    client.create_model_version("double", f"{uri}/hand/model", run_id=run.info.run_id)
    client.create_model_version("double", source, run_id=run.info.run_id)
    client.delete_model_version("double", "1")
    client.create_model_version("double", source, run_id=run.info.run_id, tags={"third": "yes"})
    client.create_registered_model("nothing yet")
    return {"double/3": predict("models:/double/3")}


def double(model_input: list[float]) -> list[float]:
    """A model that is a function."""
    return [2 * value for value in model_input]


def predict(uri: str) -> list[float]:
    """What a model says of the same rows as ever."""
    loaded = mlflow.pyfunc.load_model(uri)
    answer = loaded.predict([1.0, 2.5] if "double" in uri else ROWS)
    return [float(value) for value in answer]


def fill_registry_leftovers(client: MlflowClient) -> None:
    """What does not come over: a trace and a prompt."""
    mlflow.set_experiment("rides")
    with mlflow.start_span("question") as span:
        span.set_inputs({"q": 1})
    mlflow.flush_trace_async_logging()
    mlflow.genai.register_prompt("greeting", template="Hello {{name}}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "--plain" in sys.argv)
