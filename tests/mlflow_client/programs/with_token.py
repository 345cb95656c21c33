"""A server with tokens: the client's own settings carry one, as a bearer or as a password."""

import os

import mlflow
import pytest
from mlflow import MlflowClient, MlflowException

secret, reader = os.environ["SECRET"], os.environ["READER_SECRET"]
for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
    os.environ.pop(name, None)
client = MlflowClient()
with pytest.raises(MlflowException) as refused:
    client.search_experiments()
assert refused.value.error_code == "UNAUTHENTICATED"

os.environ["MLFLOW_TRACKING_TOKEN"] = secret
with mlflow.start_run() as run:
    mlflow.log_metric("a", 1.0)
    mlflow.log_text("x", "x.txt")
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/x.txt") == "x"

del os.environ["MLFLOW_TRACKING_TOKEN"]
os.environ["MLFLOW_TRACKING_USERNAME"] = "ada"
os.environ["MLFLOW_TRACKING_PASSWORD"] = secret
assert mlflow.get_run(run.info.run_id).data.metrics == {"a": 1.0}
mlflow.log_metric("b", 2.0, run_id=run.info.run_id)

os.environ["MLFLOW_TRACKING_PASSWORD"] = reader
assert mlflow.get_run(run.info.run_id).data.metrics == {"a": 1.0, "b": 2.0}
with pytest.raises(MlflowException) as refused:
    client.log_metric(run.info.run_id, "c", 3.0)
assert refused.value.error_code == "PERMISSION_DENIED"
with pytest.raises(MlflowException):
    client.create_experiment("not mine to make")

os.environ["MLFLOW_TRACKING_PASSWORD"] = "wrong"
with pytest.raises(MlflowException):
    client.search_experiments()
print("done")
