"""A loop in a real platform without workers: rows, models and pipeline runs are made by the test, ticks are its own."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tidewheel.app import open_platform
from tidewheel.base.clock import ReplayClock
from tidewheel.base.ids import new_id
from tidewheel.loop import Turn
from tidewheel.monitoring import Alert, AlertState, store as alert_store
from tidewheel.pipelines import RunState, store as run_store
from tidewheel.pipelines.project import project_module
from tidewheel.registry import ModelVersion

START = datetime(2026, 3, 2, tzinfo=UTC)
PROJECT = """
import numpy as np
import tidewheel as tw

rides = tw.dataset("rides")
asked = tw.on_demand("asked", request={{"x": float}})
features = tw.FeatureSet("features", [asked], time="at")


class Line:
    def __init__(self, slope):
        self.slope = slope

    def predict(self, rows):
        return 1 / (1 + np.exp(-self.slope * np.asarray(rows)[:, :1]))


@tw.pipeline
def fit(window="1d", since=None, until=None):
    return None


tw.Loop(
    "{name}", endpoint="{endpoint}", features=features, pipeline=fit, label=tw.Label("y"), rows=rides,
    monitors=[{monitors}], retrain=[{retrain}], gates=[{gates}], window="7d", min_rows=500,
    rollout=tw.Canary(shadow=None, steps=[50, 100]), serving={serving},
)
"""


class Town:
    """`tick` makes rounds of the loops; `champion`, `version`, `rows`, `alert`, `train` make what they look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.clock = ReplayClock(self.home / "clock", START)
        self.platform = open_platform(self.home)
        self.project = self.write()
        self.slope = 2.0

    def write(self, file: str = "project.py", **parts: str) -> Path:
        """Write a project file with one loop."""
        given = {"name": "surge", "monitors": "tw.Bias()", "retrain": "tw.on_alert()", "serving": "None"}
        given |= {"gates": 'tw.beats_champion("log_loss")', **parts}
        path = self.folder / file
        path.write_text(PROJECT.format(**{"endpoint": given["name"], **given}))
        importlib.invalidate_caches()
        return path

    def reopen(self) -> None:
        """As a controller does that is started again."""
        self.platform.close()
        self.platform = open_platform(self.home)

    def open_for_business(self) -> ModelVersion:
        """Declare the loop; a champion trained on yesterday serves, and a morning of rows has come since."""
        self.rows(3000, START - timedelta(days=1), START)
        self.platform.loop.declare(self.project)
        champion = self.version(1.0)
        self.deploy(champion)
        self.tick()
        self.morning()
        return champion

    def morning(self) -> None:
        """Six hours pass, and 1,500 rows with them."""
        since = self.clock.now()
        self.clock.advance_to(since + timedelta(hours=6))
        self.rows(1500, since, self.clock.now())

    def rows(self, count: int, since: datetime, until: datetime) -> None:
        """Append labelled rows of a span, spread evenly."""
        rng = np.random.default_rng(count)
        x = rng.normal(size=count)
        y = (rng.random(count) < 1 / (1 + np.exp(-self.slope * x))).astype(float)
        step = (until - since) / count
        at = pa.array([since + step * place for place in range(count)], pa.timestamp("us", "UTC"))
        self.platform.data.append("rides", pa.table({"at": at, "x": x, "y": y}))

    def version(self, slope: float) -> ModelVersion:
        """Register a model trained on the rows there are; its answers rise with x by `slope` (the truth's is 2)."""
        import tidewheel as tw

        module: Any = project_module(self.project)
        rows = module.features.training_rows(module.rides)
        return tw.log_model(module.Line(slope), "m", features=module.features, outputs=["p"], rows=rows, trust=True)

    def deploy(self, version: ModelVersion) -> None:
        """What a person does by hand."""
        self.clock.advance_to(self.clock.now() + timedelta(seconds=1))
        self.platform.serving.set_route("surge", {version.id: 100.0})
        self.platform.registry.promote(version.id)

    def alert(self, version: ModelVersion, change_at: datetime | None = None) -> Alert:
        """A concept alert about a version, as a monitor raises it."""
        alert = Alert(
            id=new_id("alert"),
            monitor="concept_drift(log_loss)",
            kind="concept",
            endpoint="surge",
            version=version.id,
            state=AlertState.OPEN,
            at=self.clock.now(),
            change_at=change_at,
            summary="log loss is 0.1 nats above what the model expects",
            findings=(),
        )
        with self.platform.metadata.change() as change:
            alert_store.insert_alert(change, alert)
            change.emit("monitoring.alert.raised", f"alert:{alert.id}")
        return alert

    def tick(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.platform.loop.tick()

    def begin(self, result: str | None) -> Turn:
        """Begin a turn by hand and let its pipeline yield `result`; the turn then stands before its gates."""
        self.platform.loop.trigger("surge")
        self.tick()
        self.end_training(result)
        self.tick()
        return self.turn

    def end_training(self, result: str | None, state: RunState = RunState.SUCCEEDED) -> None:
        """End the pipeline run of the turn."""
        run_id = self.turn.pipeline_run_id
        assert run_id is not None
        with self.platform.metadata.change() as change:
            run_store.move_run(change.connection, run_id, RunState.RUNNING)
            run_store.move_run(change.connection, run_id, state, result=result, ended_at_us=self.clock.now_us())
            change.emit(f"pipelines.run.{state}", f"pipeline_run:{run_id}")

    @property
    def turn(self) -> Turn:
        """The newest turn."""
        return self.platform.loop.history("surge", limit=1)[0]

    def alert_states(self) -> list[str]:
        return [alert.state.value for alert in self.platform.monitoring.alerts("surge")]

    def rest(self) -> None:
        """Let the longest rest pass."""
        self.clock.advance_to(self.clock.now() + timedelta(days=1, seconds=1))
