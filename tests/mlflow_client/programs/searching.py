"""Searches through MLflow's client: filters on every kind of key, orders, pages, and the DataFrame."""

import mlflow
import pytest
from mlflow import MlflowClient, MlflowException

client = MlflowClient()
experiment_id = client.create_experiment("searched")
for number in range(25):
    with mlflow.start_run(experiment_id=experiment_id, run_name=f"run-{number:02d}"):
        mlflow.log_params({"model": ["lgbm", "xgb", "linear"][number % 3], "depth": number})
        mlflow.log_metrics({"auc": number / 25, "log loss": 1 - number / 25})
        mlflow.set_tags({"team": "a" if number < 10 else "b", "with space": "Yes"})


def names(filter_string: str = "", **options: object) -> list[str]:
    """The names of the runs that a filter finds."""
    return [run.info.run_name for run in client.search_runs([experiment_id], filter_string, **options)]


ALL = {f"run-{number:02d}" for number in range(25)}
assert set(names()) == ALL
assert set(names("metrics.auc > 0.9")) == {"run-23", "run-24"}
assert set(names("metrics.auc >= 0.92 and metrics.auc != 0.96")) == {"run-23"}
assert set(names('metrics."log loss" <= 0.08')) == {"run-23", "run-24"}
assert set(names("metrics.`log loss` <= 0.08 AND params.model = 'xgb'")) == set()
assert len(names("params.model = 'lgbm'")) == 9
assert len(names("params.model != 'lgbm'")) == 16
assert len(names("params.model LIKE 'l%'")) == 17
assert len(names("params.model ILIKE 'L%'")) == 17
assert len(names("tags.team = 'a' and params.model = 'lgbm'")) == 4
assert set(names("tags.`with space` ILIKE 'y%'")) == ALL
assert set(names("attributes.status = 'FINISHED'")) == ALL
assert names("attributes.run_name = 'run-07'") == ["run-07"]
assert names("attributes.`run name` = 'run-07'") == ["run-07"]
wanted = [run.info.run_id for run in client.search_runs([experiment_id], "metrics.auc < 0.1")]
assert len(names(f"attributes.run_id IN ({', '.join(map(repr, wanted))})")) == 3
assert len(names(f"attributes.run_id NOT IN ({wanted[0]!r},)")) == 24
assert set(names("attributes.start_time > 0")) == ALL
assert names("attributes.end_time < 1000") == []
assert names(order_by=["metrics.auc ASC"])[:2] == ["run-00", "run-01"]
assert names(order_by=["metrics.auc DESC"])[:2] == ["run-24", "run-23"]
assert names(order_by=["params.model", "metrics.`log loss`"])[0] == "run-24"
assert names(order_by=["tags.team DESC", "attributes.run_name ASC"])[:2] == ["run-10", "run-11"]
assert names(order_by=["attributes.start_time DESC"])[0] == "run-24"

seen, token = [], None
while True:
    page = client.search_runs([experiment_id], order_by=["metrics.auc"], max_results=7, page_token=token)
    seen += [run.info.run_name for run in page]
    token = page.token
    if not token:
        break
assert seen == sorted(ALL)

frame = mlflow.search_runs([experiment_id], filter_string="metrics.auc > 0.5", order_by=["metrics.auc DESC"])
assert len(frame) == 12
assert frame["metrics.auc"].is_monotonic_decreasing
assert {"run_id", "status", "params.model", "tags.team", "metrics.log loss", "start_time"} <= set(frame.columns)
frame = mlflow.search_runs(experiment_names=["searched"], max_results=3)
assert len(frame) == 3

for wrong in (
    "metrics.auc > 'high'",
    "params.model > 'a'",
    "nothing",
    "attributes.no_such = 'x'",
    "metrics.auc = ",
    "a = 'b",
):
    with pytest.raises(MlflowException) as refused:
        client.search_runs([experiment_id], wrong)
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE", wrong
with pytest.raises(MlflowException):
    client.search_runs([experiment_id], order_by=["metrics.auc SIDEWAYS"])
with pytest.raises(MlflowException):
    client.search_runs([experiment_id], max_results=1_000_000)

for number in range(12):
    client.create_experiment(f"many-{number:02d}")
page = client.search_experiments(max_results=5, filter_string="name LIKE 'many-%'", order_by=["name"])
assert [each.name for each in page] == [f"many-{number:02d}" for number in range(5)]
page = client.search_experiments(
    max_results=5, filter_string="name LIKE 'many-%'", order_by=["name"], page_token=page.token
)
assert [each.name for each in page] == [f"many-{number:02d}" for number in range(5, 10)]
print("done")
