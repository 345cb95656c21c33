"""Writes down everything that MLflow's unmodified client reads at an address, as JSON: run as a script.

    python dump_store.py TRACKING_URI OUT.json [--predict]

Two dumps of the same things are equal, but for what an import may change: ids of experiments (named instead), places
of artifacts, instants of change in the registry, no text or an empty one, and the tags whose names begin with
`tidewheel.`. `--predict` asks the models too.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, LoggedModel, Metric, Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException


def main(uri: str, out: Path, predict: bool) -> None:
    """Dump the store at `uri`."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiments = list(pages(lambda token: client.search_experiments(ViewType.ALL, page_token=token)))
    names = {experiment.experiment_id: experiment.name for experiment in experiments}
    ids = list(names)
    runs = pages(lambda token: client.search_runs(ids, run_view_type=ViewType.ALL, page_token=token))
    logged = pages(lambda token: client.search_logged_models(ids, page_token=token))
    models = list(pages(lambda token: client.search_registered_models(page_token=token)))
    found = {
        "experiments": {experiment.name: of_experiment(experiment) for experiment in experiments},
        "runs": {run.info.run_id: of_run(client, run, names) for run in runs},
        "logged_models": {model.model_id: of_logged_model(client, model, names) for model in logged},
        "models": {model.name: of_model(client, model) for model in models},
    }
    if predict:
        found["predictions"] = predictions(models)
    out.write_text(json.dumps(found, indent=1, sort_keys=True, default=str))


def of_experiment(experiment: Experiment) -> dict[str, Any]:
    """An experiment without its number."""
    return {"stage": experiment.lifecycle_stage, "tags": own(experiment.tags), "created": experiment.creation_time}


def of_run(client: MlflowClient, run: Run, names: dict[str, str]) -> dict[str, Any]:
    """A run with its whole history and the digests of its artifacts."""
    info, run_id = run.info, run.info.run_id
    inputs, outputs = run.inputs, run.outputs
    return {
        "experiment": names[info.experiment_id],
        "name": info.run_name,
        "user": info.user_id,
        "status": info.status,
        "stage": info.lifecycle_stage,
        "start": info.start_time,
        "end": info.end_time,
        "params": run.data.params,
        "tags": own(run.data.tags),
        "latest": {key: repr(value) for key, value in run.data.metrics.items()},
        "points": {key: points(client.get_metric_history(run_id, key)) for key in run.data.metrics},
        "datasets": sorted(
            json.dumps([given.dataset.to_dictionary(), sorted((tag.key, tag.value) for tag in given.tags)])
            for given in inputs.dataset_inputs
        ),
        "model_inputs": sorted(i.model_id for i in inputs.model_inputs or []),
        "model_outputs": sorted((o.model_id, o.step) for o in outputs.model_outputs) if outputs else [],
        "artifacts": digests(lambda scratch: client.download_artifacts(run_id, "", scratch))
        if info.lifecycle_stage == "active"
        else {},
    }


def of_logged_model(client: MlflowClient, model: LoggedModel, names: dict[str, str]) -> dict[str, Any]:
    """A logged model of MLflow 3 with the digests of its files."""
    uri = f"models:/{model.model_id}"
    return {
        "experiment": names[model.experiment_id],
        "name": model.name,
        "type": model.model_type or "",
        "status": str(model.status),
        "message": model.status_message or "",
        "run": model.source_run_id,
        "created": model.creation_timestamp,
        "tags": own(model.tags),
        "params": model.params,
        "metrics": sorted([m.key, repr(m.value), m.timestamp, m.step, m.run_id] for m in model.metrics or []),
        "artifacts": digests(lambda scratch: mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)),
    }


def of_model(client: MlflowClient, model: RegisteredModel) -> dict[str, Any]:
    """A registered model with its versions."""
    versions = pages(lambda token: client.search_model_versions(f"name='{model.name}'", page_token=token))
    full = client.get_registered_model(model.name)
    return {
        "description": model.description or "",
        "tags": own(model.tags),
        "created": model.creation_timestamp,
        "aliases": {alias: str(version) for alias, version in full.aliases.items()},
        "versions": {str(v.version): of_version(client.get_model_version(v.name, v.version)) for v in versions},
    }


def of_version(version: ModelVersion) -> dict[str, Any]:
    """A version with the digests of its files; not as searched for, which leaves out its aliases."""
    uri = f"models:/{version.name}/{version.version}"
    return {
        "description": version.description or "",
        "tags": own(version.tags),
        "stage": version.current_stage,
        "status": version.status,
        "run": version.run_id or None,
        "model_id": version.model_id,
        "created": version.creation_timestamp,
        "aliases": sorted(version.aliases),
        "files": digests(lambda scratch: mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)),
    }


def predictions(models: Iterable[RegisteredModel]) -> dict[str, list[float]]:
    """What the models of `fill_store.py` say."""
    import pandas as pd

    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.5], "y": [1.0, 0.5, -1.0, 4.0]})
    asked = {"surge/1": rows, "surge@champion": rows, "double/3": [1.0, 2.5]}
    known = {model.name for model in models}
    wanted = {uri: data for uri, data in asked.items() if uri.replace("@", "/").split("/")[0] in known}
    return {
        uri: [float(x) for x in mlflow.pyfunc.load_model(f"models:/{uri}").predict(data)]
        for uri, data in wanted.items()
    }


def points(history: list[Metric]) -> list[list[Any]]:
    """Points in an order of our own, floats told apart to the last bit."""
    return sorted([m.step, m.timestamp, repr(m.value)] for m in history)


def own(tags: dict[str, str] | None) -> dict[str, str]:
    """Tags but for those that an import adds."""
    return {key: value for key, value in (tags or {}).items() if not key.startswith("tidewheel.")}


def digests(download: Callable[[str], str]) -> dict[str, str]:
    """The files that a download gives, by path."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = Path(download(scratch))
        except MlflowException as error:
            return {"error": type(error).__name__}
        files = [file for file in folder.rglob("*") if file.is_file()]
        return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """All that a paged search finds."""
    token: str | None = None
    while True:
        found = search(token)
        yield from found
        token = found.token
        if not token:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "--predict" in sys.argv)
