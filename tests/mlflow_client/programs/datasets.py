"""Dataset inputs of runs: logged from pandas and numpy, read back, searched."""

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient

client = MlflowClient()
frame = pd.DataFrame({"wait_s": [1.5, 2.5, 3.5], "zone": ["a", "b", "a"], "late": [0, 1, 0]})
rides = mlflow.data.from_pandas(frame, source="https://example.invalid/rides.csv", name="rides", targets="late")
matrix = mlflow.data.from_numpy(np.arange(12.0).reshape(4, 3), name="matrix")
experiment_id = client.create_experiment("inputs")
with mlflow.start_run(experiment_id=experiment_id) as run:
    mlflow.log_input(rides, context="training", tags={"split": "2026"})
    mlflow.log_input(matrix, context="evaluation")
with mlflow.start_run(experiment_id=experiment_id) as second:
    mlflow.log_inputs(datasets=[rides, matrix], contexts=["test", "test"], tags_list=[None, {"a": "b"}])

inputs = {each.dataset.name: each for each in mlflow.get_run(run.info.run_id).inputs.dataset_inputs}
assert set(inputs) == {"rides", "matrix"}
assert inputs["rides"].dataset.digest == rides.digest
assert {tag.key: tag.value for tag in inputs["rides"].tags} == {"mlflow.data.context": "training", "split": "2026"}
assert "wait_s" in inputs["rides"].dataset.schema
assert '"num_rows": 3' in inputs["rides"].dataset.profile
source = mlflow.data.get_source(inputs["rides"])
assert source.url == "https://example.invalid/rides.csv"
assert len(mlflow.get_run(second.info.run_id).inputs.dataset_inputs) == 2


def found(filter_string: str) -> set[str]:
    """The runs that a filter on datasets finds."""
    return {each.info.run_id for each in client.search_runs([experiment_id], filter_string)}


assert found("datasets.name = 'rides'") == {run.info.run_id, second.info.run_id}
assert found(f"datasets.digest = '{matrix.digest}' and datasets.context = 'evaluation'") == {run.info.run_id}
assert found("datasets.name LIKE 'no%'") == set()
assert found("dataset.name ILIKE 'RID%' and dataset.context = 'test'") == {second.info.run_id}
print("done")
