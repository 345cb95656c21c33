"""A run knows by itself which versions of data and which features it was made of, whatever process worked for it."""

import httpx
import pytest
from tests.server.listening import listening

import tidewheel as tw
from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build

PROJECT = """
import tidewheel as tw

rides = tw.dataset("rides")
views = tw.FeatureView("zones", entity="zone", source=rides, timestamp="at", features={"n": tw.count("1h")})
features = tw.FeatureSet("surge", [views])

@tw.step
def fit(rows):
    tw.log_metric("mean", float(rows.X.mean()))
    return len(rows)

@tw.pipeline
def train():
    return fit(features.training_rows(rides))
"""


@pytest.fixture
def platform(tmp_path):
    with open_platform(tmp_path / "home", Settings(environ={})) as opened:
        rows = [{"zone": "a", "at": f"2026-03-02T0{hour}:00:00Z"} for hour in range(3)]
        opened.data.append_rows("rides", rows, "three rides")
        yield opened


def test_training_rows_tell_dataset_commit_and_feature_set(platform):
    rides = tw.dataset("rides")
    zones = tw.FeatureView("zones", entity="zone", source=rides, timestamp="at", features={"n": tw.count("1h")})
    features = tw.FeatureSet("surge", [zones])
    with tw.start_run() as run:
        assert len(features.training_rows(rides)) == 3
    tags = platform.tracking.run(run.id).tags
    assert tags["tidewheel.data.rides"] == str(rides.commit().number)
    assert tags["tidewheel.features.surge"] == features.hash


def test_a_pipelines_run_knows_what_its_steps_read_and_how_it_was_begun(platform, tmp_path):
    project = tmp_path / "project.py"
    project.write_text(PROJECT)
    done = platform.pipelines.execute(platform.pipelines.start(f"{project}:train").id)
    assert (done.state, done.result) == ("succeeded", 3), done.error
    run = platform.tracking.run(done.run_id)
    assert run.metrics.keys() == {"mean"}
    assert run.tags.keys() >= {"tidewheel.data.rides", "tidewheel.features.surge"}
    kept = {artifact.path for artifact in platform.tracking.artifacts(run.id)}
    assert kept == {"reproducibility/environment.json", "reproducibility/project.py"}


def test_mlflows_client_sees_what_log_input_said(platform):
    with tw.start_run() as run:
        tw.log_input(tw.dataset("rides"), "training")
        tw.log_input("s3://bucket/tables/fares.parquet", "evaluation")
        tw.log_input([{"x": 1, "y": "a"}], name="small")
    with listening(build(platform)) as url:
        answer = httpx.get(f"{url}/api/2.0/mlflow/runs/get", params={"run_id": run.id}).raise_for_status().json()
    told = {each["dataset"]["name"]: each for each in answer["run"]["inputs"]["dataset_inputs"]}
    assert told.keys() == {"rides", "fares.parquet", "small"}
    assert told["rides"]["tags"] == [{"key": "mlflow.data.context", "value": "training"}]
    assert told["rides"]["dataset"]["source"] == '{"uri":"commit:rides@0"}'
    assert '"name":"y"' in told["small"]["dataset"]["schema"]
