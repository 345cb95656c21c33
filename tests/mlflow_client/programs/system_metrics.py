"""System metrics: sampled in a thread of the client while the run goes on."""

import time

import mlflow
from mlflow import MlflowClient

mlflow.set_system_metrics_sampling_interval(0.2)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run(log_system_metrics=True) as run:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if any(key.startswith("system/") for key in mlflow.get_run(run.info.run_id).data.metrics):
            break
        time.sleep(0.1)
metrics = mlflow.get_run(run.info.run_id).data.metrics
assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(metrics)
assert len(MlflowClient().get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")) >= 1
print("done")
