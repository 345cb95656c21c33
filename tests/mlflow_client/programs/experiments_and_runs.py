"""Experiments and runs through MLflow's fluent API and its client: written, searched, renamed, deleted, restored."""

import math
import os
import time

import mlflow
import pytest
import requests
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Metric, Param, RunTag, ViewType

client = MlflowClient()

# Experiments by name and by id, with tags.
first = mlflow.set_experiment("rides")
again = mlflow.set_experiment(experiment_id=first.experiment_id)
assert (again.name, again.lifecycle_stage) == ("rides", "active")
mlflow.set_experiment_tags({"team": "surge", "owner": "ada"})
other = mlflow.create_experiment("fares", tags={"team": "pricing"})
assert mlflow.get_experiment_by_name("fares").tags["team"] == "pricing"
assert mlflow.get_experiment(first.experiment_id).tags["owner"] == "ada"
assert {each.name for each in mlflow.search_experiments()} == {"Default", "rides", "fares"}
found = mlflow.search_experiments(filter_string="tags.team = 'surge' AND name LIKE 'ri%'", order_by=["name DESC"])
assert [each.name for each in found] == ["rides"]
with pytest.raises(MlflowException, match="already exists") as refused:
    mlflow.create_experiment("rides")
assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
client.rename_experiment(other, "prices")
assert client.get_experiment(other).name == "prices"
client.delete_experiment(other)
assert [each.name for each in mlflow.search_experiments(view_type=ViewType.DELETED_ONLY)] == ["prices"]
client.restore_experiment(other)
assert client.get_experiment(other).lifecycle_stage == "active"
client.delete_experiment_tag(first.experiment_id, "owner")
assert "owner" not in client.get_experiment(first.experiment_id).tags

# A run, nested runs, params, metrics with steps, instants, NaN and the infinities, tags.
with mlflow.start_run(run_name="outer", tags={"a": "1"}, description="what it is for") as outer:
    mlflow.log_param("depth", 7)
    mlflow.log_params({"rate": 0.1, "loss": "log loss", "when": None})
    for step in range(5):
        mlflow.log_metric("auc", 0.5 + step / 10, step=step)
    mlflow.log_metric("auc", 0.1, step=2, timestamp=1_700_000_000_000)
    mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "minus": -math.inf, "tiny": 1e-320, "huge": 1.7e308})
    mlflow.set_tag("stage", "test")
    mlflow.set_tags({"b": 2, "c": "drei äöü 🐛"})
    mlflow.delete_tag("b")
    with mlflow.start_run(nested=True, run_name="inner") as inner:
        mlflow.log_metric("auc", 0.99)
    mlflow.log_metric("later", 1.0, synchronous=False).wait()
    mlflow.log_params({"p_async": 1}, synchronous=False).wait()
run = mlflow.get_run(outer.info.run_id)
assert (run.info.status, run.info.run_name, run.info.lifecycle_stage) == ("FINISHED", "outer", "active")
assert run.info.start_time <= run.info.end_time
assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
assert run.data.params == {"depth": "7", "rate": "0.1", "loss": "log loss", "when": "None", "p_async": "1"}
assert run.data.metrics["auc"] == 0.9
assert math.isnan(run.data.metrics["nan"])
assert run.data.metrics["inf"] > 1e300
assert run.data.metrics["minus"] < -1e300
assert run.data.metrics["tiny"] == 1e-320
assert (run.data.tags["a"], run.data.tags["c"], "b" in run.data.tags) == ("1", "drei äöü 🐛", False)
assert run.data.tags["mlflow.note.content"] == "what it is for"
assert mlflow.get_parent_run(inner.info.run_id).info.run_id == outer.info.run_id
history = client.get_metric_history(outer.info.run_id, "auc")
assert sorted((each.step, each.value) for each in history) == [
    (0, 0.5),
    (1, 0.6),
    (2, 0.1),
    (2, 0.7),
    (3, 0.8),
    (4, 0.9),
]
assert {each.timestamp for each in history if each.value == 0.1} == {1_700_000_000_000}
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{outer.info.run_id}'", output_format="list")
assert [each.info.run_id for each in children] == [inner.info.run_id]

# A run goes on; one that fails says so.
with mlflow.start_run(run_id=outer.info.run_id):
    mlflow.log_param("again", "yes")
with pytest.raises(ValueError), mlflow.start_run(run_name="fails") as failing:
    math.log(0)
assert mlflow.get_run(failing.info.run_id).info.status == "FAILED"
with pytest.raises(MlflowException) as refused:
    client.log_param(outer.info.run_id, "depth", "8")
assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
with pytest.raises(MlflowException) as refused:
    client.get_run("0" * 32)
assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"

# Batches through the client.
made = client.create_run(first.experiment_id, run_name="by client", tags={"k": "v"})
now_ms = int(time.time() * 1000)
client.log_batch(
    made.info.run_id,
    metrics=[Metric("loss", 1 / (step + 1), now_ms + step, step) for step in range(1000)],
    params=[Param(f"p{number}", str(number)) for number in range(100)],
    tags=[RunTag(f"t{number}", str(number)) for number in range(100)],
)
assert len(client.get_metric_history(made.info.run_id, "loss")) == 1000
mlflow.log_metrics({f"m{number}": number for number in range(1500)}, run_id=made.info.run_id)  # more than one batch
client.update_run(made.info.run_id, status="KILLED", name="renamed")
client.set_terminated(made.info.run_id, "KILLED")
back = client.get_run(made.info.run_id)
assert (back.info.status, back.info.run_name, len(back.data.params), len(back.data.metrics)) == (
    "KILLED",
    "renamed",
    100,
    1501,
)
assert set(back.data.tags) >= {"k", "t0", "t99"}
asked = [("run_id", made.info.run_id), ("run_id", outer.info.run_id), ("metric_key", "auc"), ("max_results", 1000)]
bulk = requests.get(
    f"{os.environ['MLFLOW_TRACKING_URI']}/ajax-api/2.0/mlflow/metrics/get-history-bulk", params=asked, timeout=10
).json()["metrics"]
assert sorted(each["step"] for each in bulk) == [0, 1, 2, 2, 3, 4]
assert {each["run_id"] for each in bulk} == {outer.info.run_id}

# Deleted and restored.
client.delete_run(inner.info.run_id)
assert client.get_run(inner.info.run_id).info.lifecycle_stage == "deleted"
with pytest.raises(MlflowException):
    client.log_metric(inner.info.run_id, "auc", 1.0)
gone = client.search_runs([first.experiment_id], run_view_type=ViewType.DELETED_ONLY)
assert [each.info.run_id for each in gone] == [inner.info.run_id]
client.restore_run(inner.info.run_id)
client.log_metric(inner.info.run_id, "auc", 1.0)

# A key has a limit; a value beyond its own is cut by the client.
with pytest.raises(MlflowException) as refused:
    client.log_param(made.info.run_id, "x" * 251, "1")
assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
client.log_param(made.info.run_id, "long", "1" * 6001)
assert client.get_run(made.info.run_id).data.params["long"] == "1" * 6000
print("done")
