"""A real platform with runs, models and artifacts, for the tests of the pages of tracking and registry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from tests.server.install import register

from tidewheel.app import Platform
from tidewheel.base.units import from_us
from tidewheel.rollout import Canary
from tidewheel.tracking import DatasetInput, MetricPoint, ModelMetric, metric_store
from tidewheel.tracking.logged_model_records import RunModel

MODEL = "m-0123456789abcdef0123456789abcdef"
START_US = 1_764_000_000_000_000


@dataclass(frozen=True, slots=True)
class Lab:
    """What stands in it: the address of its pages, the platform behind them, and the ids of the runs."""

    address: str
    platform: Platform
    runs: tuple[str, ...]
    experiment_id: str


def furnish(platform: Platform, folder: Path) -> tuple[tuple[str, ...], str]:
    """Three runs that differ, the last of which goes on; files, a dataset and a logged model of the first;
    a model made of it; a model of two versions that answer an endpoint."""
    ids = []
    for i, (depth, loss) in enumerate((("4", 0.61), ("6", 0.48), ("8", 0.55))):
        run = platform.tracking.start_run("surge", f"tuned-{i}", {"team": "maps"}, ["commit:rides@4"])
        platform.tracking.log_params(run.id, {"depth": depth, "seed": "7"})
        points = [
            MetricPoint(key, end + math.exp(-step / 8), step, from_us(START_US + step * 1_000_000))
            for key, end in (("val/loss", loss), ("val/auc", 0.9 - loss / 3))
            for step in range(40)
        ]
        platform.tracking.log_metrics(run.id, points)
        ids.append(run.id)
    platform.tracking.end_run(ids[0])
    platform.tracking.end_run(ids[1], "FAILED")
    kept = {
        "notes/readme.md": b"# Surge\n",
        "waits.csv": b"zone,wait\nA,3.5\nB,7.25\n",
        "report.html": b"<script>document.title = 'taken'</script><h1>Report</h1>",
        "plot.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"/>',
    }
    for path, data in kept.items():
        platform.tracking.log_artifact(ids[0], data, path)
    _log_model(platform, ids[0], ids[2])
    version = register(platform, folder / "model")
    platform.registry.promote(version.id)
    _serve(platform, version.id, register(platform, folder / "next").id)
    return tuple(ids), platform.tracking.run(ids[0]).experiment_id


def _serve(platform: Platform, champion: str, candidate: str) -> None:
    """Two endpoints: one in the middle of a rollout, one that nobody answers yet."""
    platform.serving.create_endpoint("surge")
    platform.serving.create_endpoint("wait")
    platform.serving.set_route("surge", {champion: 100.0})
    platform.serving.configure_endpoint("surge", timeout_ms=200.0)
    platform.rollout.start("surge", champion, candidate, Canary(shadow=None, steps=(25, 100)))


def _log_model(platform: Platform, made_by: str, used_by: str) -> None:
    """A model that one run made of a dataset and measured, that another used, and that was registered."""
    rides = DatasetInput(
        "rides",
        "9f31c2",
        "http",
        '{"url": "https://data.example/rides.parquet"}',
        tags={"mlflow.data.context": "training"},
    )
    platform.tracking.log_datasets(made_by, [rides])
    models, home = platform.logged_models, platform.tracking.run(made_by).experiment_id
    made = models.create(home, "acceptance", made_by, {"depth": "4"}, {"team": "maps"}, model_id=MODEL)
    at = from_us(START_US)
    auc = ModelMetric(
        key="val/auc", value=0.86, step=3, at=at, run_id=made_by, dataset_name="rides", dataset_digest="9f31c2"
    )
    models.log_metrics({MODEL: [auc]})
    root = made.artifact_location.removeprefix("mlflow-artifacts:/")
    platform.artifacts.put(f"{root}/MLmodel", b"flavors:\n  python_function:\n    loader_module: acceptance\n")
    models.finalize(MODEL)
    models.log_outputs(made_by, [RunModel(MODEL, 3)])
    models.log_inputs(used_by, [MODEL])
    platform.registry.register_source("acceptance", f"models:/{MODEL}", run_id=made_by, model_id=MODEL)


def add_long_series(platform: Platform, run_id: str, count: int) -> None:
    """A metric of `count` points with one peak that a chart must not lose."""
    batch = 100_000
    for begin in range(0, count, batch):
        points = [
            ("long", step, START_US + step * 1000, 99.0 if step == count // 3 else math.sin(step / (count / 20)))
            for step in range(begin, min(count, begin + batch))
        ]
        with platform.metadata.record() as connection:
            metric_store.add_points(connection, run_id, points)
