"""Artifacts through MLflow's fluent API: every kind that it logs, listed, loaded back, downloaded, deleted."""

import json
import os
import tempfile
from pathlib import Path

import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient, MlflowException

mpl.use("Agg")
from matplotlib import pyplot

client = MlflowClient()
folder = Path(tempfile.mkdtemp())
(folder / "whole" / "sub").mkdir(parents=True)
(folder / "whole" / "a.txt").write_text("a")
(folder / "whole" / "sub" / "b c.txt").write_text("b ä")
(folder / "whole" / "empty").touch()
big = os.urandom(12_000_000)
(folder / "big.bin").write_bytes(big)

with mlflow.start_run() as run:
    run_id = run.info.run_id
    mlflow.log_artifact(folder / "whole" / "a.txt")
    mlflow.log_artifact(folder / "big.bin", "deep/er")
    mlflow.log_artifacts(folder / "whole", "tree")
    mlflow.log_text("some text 🐛", "notes/note.md")
    mlflow.log_dict({"a": [1, 2.5, None]}, "config.json")
    mlflow.log_dict({"b": "ü"}, "config.yaml")
    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    mlflow.log_figure(figure, "plots/line.png")
    mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), "black.png")
    mlflow.log_image(np.ones((8, 8, 3), dtype=np.uint8), key="dogs", step=3)
    mlflow.log_table({"question": ["a", "b"], "answer": ["c", "d"]}, "table.json")
    mlflow.log_table(pd.DataFrame({"question": ["e"], "answer": ["f"]}), "table.json")

root = {each.path: (each.is_dir, each.file_size) for each in client.list_artifacts(run_id)}
assert root["a.txt"] == (False, 1)
assert root["tree"][0]
assert set(root) == {
    "a.txt", "black.png", "config.json", "config.yaml", "deep", "images", "notes", "plots", "table.json", "tree",
}  # fmt: skip
assert {each.path for each in client.list_artifacts(run_id, "tree")} == {"tree/a.txt", "tree/empty", "tree/sub"}
assert {each.path for each in client.list_artifacts(run_id, "tree/sub")} == {"tree/sub/b c.txt"}
assert client.list_artifacts(run_id, "nowhere") == []

assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/note.md") == "some text 🐛"
assert mlflow.artifacts.load_dict(f"runs:/{run_id}/config.json") == {"a": [1, 2.5, None]}
assert mlflow.artifacts.load_image(f"runs:/{run_id}/black.png").size == (8, 8)
table = mlflow.load_table("table.json", run_ids=[run_id])
assert table["answer"].tolist() == ["c", "d", "f"]
at = Path(
    mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="deep/er/big.bin", dst_path=str(folder / "got"))
)
assert at.read_bytes() == big
at = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/tree"))
assert sorted(str(each.relative_to(at)) for each in at.rglob("*")) == ["a.txt", "empty", "sub", "sub/b c.txt"]
assert (at / "sub" / "b c.txt").read_text() == "b ä"
everything = Path(client.download_artifacts(run_id, ""))
assert json.loads((everything / "config.json").read_text()) == {"a": [1, 2.5, None]}
assert {each.path for each in mlflow.artifacts.list_artifacts(run_id=run_id)} == set(root)
with pytest.raises(MlflowException):
    mlflow.artifacts.load_text(f"runs:/{run_id}/no/such.txt")

repository = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(run.info.artifact_uri)
repository.delete_artifacts("tree")
assert client.list_artifacts(run_id, "tree") == []
repository.delete_artifacts("a.txt")
assert "a.txt" not in {each.path for each in client.list_artifacts(run_id)}

with mlflow.start_run(
    experiment_id=mlflow.create_experiment("elsewhere", artifact_location="mlflow-artifacts:/my/place")
) as other:
    mlflow.log_text("there", "x.txt")
assert other.info.artifact_uri == f"mlflow-artifacts:/my/place/{other.info.run_id}/artifacts"
assert mlflow.artifacts.load_text(f"{other.info.artifact_uri}/x.txt") == "there"
print("done")
