"""Logged models and the model registry through MLflow's client, with a real scikit-learn model."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient, MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

client = MlflowClient()
rng = np.random.default_rng(1)
rows = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
label = (rows["a"] + rows["b"] > 0).astype(int)
model = LogisticRegression().fit(rows, label)
wanted = model.predict(rows)
signature = infer_signature(rows, wanted)

# Logged models.
experiment_id = client.create_experiment("models")
with mlflow.start_run(experiment_id=experiment_id) as run:
    logged = mlflow.sklearn.log_model(
        model, name="surge", signature=signature, input_example=rows.head(3), params={"C": 1.0}, tags={"kind": "linear"}
    )
    mlflow.log_metric("auc", 0.9, model_id=logged.model_id)
assert (mlflow.pyfunc.load_model(logged.model_uri).predict(rows) == wanted).all()
assert (mlflow.sklearn.load_model(f"models:/{logged.model_id}").predict(rows) == wanted).all()
assert (mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/surge").predict(rows) == wanted).all()
found = mlflow.get_logged_model(logged.model_id)
assert (found.name, found.status.value, found.source_run_id) == ("surge", "READY", run.info.run_id)
assert found.params["C"] == "1.0"
assert found.tags["kind"] == "linear"
assert [(each.key, each.value) for each in found.metrics] == [("auc", 0.9)]
assert [each.model_id for each in mlflow.get_run(run.info.run_id).outputs.model_outputs] == [logged.model_id]
mlflow.set_logged_model_tags(logged.model_id, {"more": "1"})
mlflow.delete_logged_model_tag(logged.model_id, "kind")
assert client.get_logged_model(logged.model_id).tags["more"] == "1"
assert "kind" not in client.get_logged_model(logged.model_id).tags
search = mlflow.search_logged_models(
    experiment_ids=[experiment_id], filter_string="metrics.auc > 0.5 AND name = 'surge'", output_format="list"
)
assert [each.model_id for each in search] == [logged.model_id]
frame = mlflow.search_logged_models(experiment_ids=[experiment_id])
assert frame["model_id"].tolist() == [logged.model_id]
external = mlflow.create_external_model(name="outside", experiment_id=experiment_id, model_type="agent")
mlflow.log_model_params({"p": "1"}, model_id=external.model_id)
assert client.get_logged_model(external.model_id).params == {"p": "1"}
with mlflow.start_run(experiment_id=experiment_id):
    pending = mlflow.initialize_logged_model(name="unfinished")
    assert mlflow.finalize_logged_model(pending.model_id, "FAILED").status.value == "FAILED"
client.delete_logged_model(external.model_id)
assert external.model_id not in {
    each.model_id for each in mlflow.search_logged_models(experiment_ids=[experiment_id], output_format="list")
}

# The registry.
version = mlflow.register_model(logged.model_uri, "surge", tags={"from": "logged model"})
assert (version.version, version.status, version.run_id) == ("1", "READY", run.info.run_id)
with mlflow.start_run(experiment_id=experiment_id) as second_run:
    again = mlflow.sklearn.log_model(model, name="surge", signature=signature, registered_model_name="surge")
assert again.registered_model_version in (2, "2")
third = mlflow.register_model(f"runs:/{run.info.run_id}/surge", "surge")
assert third.version == "3"
client.set_registered_model_alias("surge", "champion", "1")
assert client.get_model_version_by_alias("surge", "champion").version == "1"
assert client.get_registered_model("surge").aliases == {"champion": "1"}
for uri in ("models:/surge@champion", "models:/surge/2", "models:/surge/3", "models:/surge/latest"):
    assert (mlflow.pyfunc.load_model(uri).predict(rows) == wanted).all(), uri
assert mlflow.models.get_model_info("models:/surge@champion").signature == signature
client.delete_registered_model_alias("surge", "champion")
with pytest.raises(MlflowException):
    client.get_model_version_by_alias("surge", "champion")

client.update_registered_model("surge", "prices of rides")
client.set_registered_model_tag("surge", "team", "pricing")
client.update_model_version("surge", "1", "the first")
client.set_model_version_tag("surge", "1", "checked", "yes")
client.set_model_version_tag("surge", "2", "checked", "no")
client.delete_model_version_tag("surge", "2", "checked")
described = client.get_registered_model("surge")
assert (described.description, described.tags) == ("prices of rides", {"team": "pricing"})
assert client.get_model_version("surge", "1").description == "the first"
assert client.get_model_version("surge", "1").tags == {"from": "logged model", "checked": "yes"}
versions = client.search_model_versions("name = 'surge'", order_by=["version_number ASC"])
assert [int(each.version) for each in versions] == [1, 2, 3]
assert [int(each.version) for each in client.search_model_versions("tags.checked = 'yes'")] == [1]
assert {int(each.version) for each in client.search_model_versions(f"run_id = '{run.info.run_id}'")} == {1, 3}
assert [each.name for each in client.search_registered_models("name LIKE 'sur%' and tags.team = 'pricing'")] == [
    "surge"
]
page = client.search_model_versions("name = 'surge'", max_results=2)
assert len(page) == 2
assert len(client.search_model_versions("name = 'surge'", max_results=2, page_token=page.token)) == 1

client.transition_model_version_stage("surge", "2", "Production")
moved = client.transition_model_version_stage("surge", "3", "Production", archive_existing_versions=True)
assert moved.current_stage == "Production"
assert [each.version for each in client.get_latest_versions("surge", ["Production"])] == ["3"]
assert client.get_model_version("surge", "2").current_stage == "Archived"
assert (mlflow.pyfunc.load_model("models:/surge/Production").predict(rows) == wanted).all()

copied = client.copy_model_version("models:/surge/1", "surge-copy")
assert (copied.version, (mlflow.pyfunc.load_model("models:/surge-copy/1").predict(rows) == wanted).all()) == ("1", True)
client.rename_registered_model("surge-copy", "surge-renamed")
assert client.get_model_version("surge-renamed", "1").name == "surge-renamed"
with pytest.raises(MlflowException) as refused:
    client.create_registered_model("surge")
assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
client.delete_model_version("surge", "2")
with pytest.raises(MlflowException) as refused:
    client.get_model_version("surge", "2")
assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"
client.delete_registered_model("surge-renamed")
assert [each.name for each in client.search_registered_models()] == ["surge"]
assert client.get_model_version_download_uri("surge", "1")
print("done")
