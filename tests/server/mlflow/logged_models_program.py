"""Run by `test_logged_models_client.py` with the real mlflow client against a server: log, find, tag, load, delete."""

import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import mlflow  # noqa: E402
import numpy as np  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
rows, answers = np.arange(6.0).reshape(-1, 1), np.arange(6.0) * 2

info = mlflow.sklearn.log_model(
    LinearRegression().fit(rows, answers), name="line", params={"depth": 3}, model_type="regressor", tags={"team": "a"}
)
model = mlflow.get_logged_model(info.model_id)
assert (model.name, str(model.status), model.model_type) == ("line", "READY", "regressor")
assert (model.params["depth"], model.tags["team"]) == ("3", "a")
loaded = mlflow.pyfunc.load_model(f"models:/{info.model_id}")
assert np.allclose(loaded.predict(rows), answers)
assert "MLmodel" in {file.path for file in client.list_logged_model_artifacts(info.model_id)}

mlflow.set_logged_model_tags(info.model_id, {"team": "b", "stage": "new"})
mlflow.delete_logged_model_tag(info.model_id, "stage")
assert mlflow.get_logged_model(info.model_id).tags["team"] == "b"
client.log_model_params(info.model_id, {f"p{number}": str(number) for number in range(250)})
assert len(mlflow.get_logged_model(info.model_id).params) == 251

others = [client.create_logged_model("0", name=f"other-{number}", params={"depth": str(number)}) for number in range(5)]
found = mlflow.search_logged_models(["0"], "name = 'line'", output_format="list")
assert [one.model_id for one in found] == [info.model_id]
found = mlflow.search_logged_models(["0"], "params.depth = '3'", output_format="list")
assert {one.name for one in found} == {"line", "other-3"}
found = mlflow.search_logged_models(
    ["0"], "name LIKE 'other%'", order_by=[{"field_name": "name", "ascending": False}], output_format="list"
)
assert [one.name for one in found] == [f"other-{number}" for number in (4, 3, 2, 1, 0)]
page = client.search_logged_models(["0"], max_results=4)
rest = client.search_logged_models(["0"], max_results=4, page_token=page.token)
assert (len(page), len(rest), rest.token) == (4, 2, None)
assert len({one.model_id for one in [*page, *rest]}) == 6
assert mlflow.search_logged_models(["0"]).shape[0] == 6

client.finalize_logged_model(others[0].model_id, "FAILED")
assert str(mlflow.get_logged_model(others[0].model_id).status) == "FAILED"
client.delete_logged_model(others[0].model_id)
try:
    mlflow.get_logged_model(others[0].model_id)
    refused = ""
except MlflowException as error:
    refused = error.error_code
assert refused == "RESOURCE_DOES_NOT_EXIST"

version = mlflow.register_model(f"models:/{info.model_id}", "line")
assert (version.version, version.name) in {("1", "line"), (1, "line")}
with tempfile.TemporaryDirectory() as folder:
    fetched = Path(mlflow.artifacts.download_artifacts(f"models:/{info.model_id}", dst_path=folder))
    assert (fetched / "MLmodel").exists()
with mlflow.start_run() as run:
    made = mlflow.sklearn.log_model(LinearRegression().fit(rows, answers), name="in-run")
    mlflow.log_metric("acc", 0.5, model_id=made.model_id)
    train = mlflow.data.from_numpy(rows, name="train")
    mlflow.log_metrics({"f1": 0.25}, model_id=made.model_id, dataset=train)
    mlflow.log_text("hello", "notes/a.txt")
    Path("big.bin").write_bytes(bytes(range(256)) * 48 * 1024)  # over the size from which the client sends parts
    mlflow.log_artifact("big.bin", "deep")
kept = mlflow.get_logged_model(made.model_id)
assert {metric.key: (metric.value, metric.dataset_name) for metric in kept.metrics} == {
    "acc": (0.5, None),
    "f1": (0.25, "train"),
}
assert kept.source_run_id == run.info.run_id
assert [output.model_id for output in mlflow.get_run(run.info.run_id).outputs.model_outputs] == [made.model_id]
assert len(mlflow.search_logged_models(filter_string="metrics.acc > 0.4", output_format="list")) == 1
assert np.allclose(mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/in-run").predict(rows), answers)
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/a.txt") == "hello"
assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["deep", "notes"]
fetched = Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/deep/big.bin", dst_path="fetched"))
assert fetched.read_bytes() == Path("big.bin").read_bytes()
mlflow.register_model(f"runs:/{run.info.run_id}/in-run", "line")
assert np.allclose(mlflow.pyfunc.load_model("models:/line/2").predict(rows), answers)
sys.stdout.write("done")
