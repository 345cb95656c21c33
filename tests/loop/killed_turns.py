"""Kills a real process at every point of a turn: `python -m tests.loop.killed_turns OUT`.

A home is prepared in which a turn is due. For the k-th point (a write of the loop or the rollout has committed, and
nothing that follows from it is done) a copy in OUT/k goes on in a forked process until that one sends itself SIGKILL
there; a second process then goes on to the turn's end. Prints how many points there were. The parent opens no
platform: Delta cannot be used after a fork.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, event
from tests.journeys.rehearsal import StepThreads

import tidewheel.storage.upgrade  # noqa: F401  (loaded before the fork, as everything that takes time)
from tidewheel.app import Platform, open_platform
from tidewheel.base.clock import ReplayClock
from tidewheel.base.ids import new_id
from tidewheel.loop import TurnState
from tidewheel.pipelines import RunState
from tidewheel.serving.snapshot import ServingFolder, WorkerReport, write_atomically
from tidewheel.serving.worker.process import holding_index
from tidewheel.storage.predictions import Prediction, PredictionWriter

START = datetime(2026, 3, 2, tzinfo=UTC)
LOOP = "surge"
MOST_POINTS = 200
PROJECT = """
import numpy as np
import tidewheel as tw

rides = tw.dataset("rides")
asked = tw.on_demand("asked", request={"x": float})
features = tw.FeatureSet("features", [asked], time="at")


class Line:
    def __init__(self, slope):
        self.slope = slope

    def predict(self, rows):
        return 1 / (1 + np.exp(-self.slope * np.asarray(rows)[:, :1]))


@tw.step
def train(rows):
    slope = 2.0 if are_many(rows) else 0.5
    return tw.log_model(Line(slope), "m", features=features, outputs=["p"], rows=rows, trust=True)


def are_many(rows):
    return len(rows.X) > 3000


@tw.pipeline
def fit(window="7d", since=None, until=None):
    return train(features.training_rows(rides, window=window, since=since, until=until))


tw.Loop(
    "surge", endpoint="surge", features=features, pipeline=fit, label=tw.Label("y"), rows=rides, window="7d",
    min_rows=500, retrain=[tw.max_age("1h")], gates=[tw.beats_champion("log_loss")],
    rollout=tw.Canary(shadow=None, steps=[50, 100], guardrails=["error_rate"], min_per_stage=20),
)
"""


class Fate:
    """Counts the points passed while armed, and kills the process at the chosen one."""

    def __init__(self, platform: Platform, at: int) -> None:
        self._left = at
        self._armed = self._written = False
        event.listen(platform.metadata.engine, "commit", self._see_commit)
        event.listen(platform.metadata.engine, "checkin", self._pass_written)

    @contextmanager
    def armed(self) -> Iterator[None]:
        self._armed = True
        yield
        self._armed = False

    def _see_commit(self, connection: Connection) -> None:
        self._written = self._armed and bool(connection.get_execution_options().get("tidewheel_writes"))

    def _pass_written(self, *_connection: object) -> None:
        if self._written:
            self._written = False
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def prepare(folder: Path) -> None:
    """A champion serves that is a poor model, and more rows have come: its age calls for a turn."""
    clock = ReplayClock(folder / "home" / "clock", START)
    (folder / "project.py").write_text(PROJECT)
    with open_platform(folder / "home") as platform:
        add_rows(platform, 2000, START - timedelta(days=1))
        platform.loop.declare(folder / "project.py")
        turn_on(folder, lambda: newest(platform) is TurnState.PROMOTED, platform)
        clock.advance_to(clock.now() + timedelta(hours=6))
        add_rows(platform, 3000, START + timedelta(hours=1))


def go_on(folder: Path, die_at: int) -> None:
    """Make rounds until the second turn has ended, or death."""
    with open_platform(folder / "home") as platform:
        turn_on(
            folder,
            lambda: platform.loop.show(LOOP).turns == 2 and newest(platform) is TurnState.PROMOTED,
            platform,
            die_at,
        )


def turn_on(folder: Path, ended: Callable[[], bool], platform: Platform, die_at: int = 0) -> None:
    """Rounds of loop and rollout; training, workers and traffic are the test's."""
    fate, clock = Fate(platform, die_at), ReplayClock(folder / "home" / "clock")
    served = PredictionWriter(folder / "home" / "predictions", "w0", 2**20)
    with holding_index(ServingFolder(folder / "home"), 0):
        for _ in range(30):
            clock.advance_to(clock.now() + timedelta(seconds=10))
            with fate.armed():
                platform.loop.tick()
                platform.rollout.tick()
            for run in platform.pipelines.runs():
                if run.state is RunState.QUEUED:
                    platform.pipelines.execute(run.id, StepThreads(platform.pipelines.run_step))
            serve(platform, served)
            if ended():
                return
    raise AssertionError(f"the turn did not end: {platform.loop.show(LOOP)}")


def serve(platform: Platform, log: PredictionWriter) -> None:
    """Take up the route that was published, and answer a few requests with each version that it names."""
    route = platform.serving.route(LOOP)
    report = WorkerReport(
        pid=os.getpid(),
        state="ready",
        generation=platform.serving.publish(),
        failures={},
        started_at=START.isoformat(),
        address="nowhere",
    )
    write_atomically(ServingFolder(platform.home).report(0), report)
    for version in route.weights:
        for _ in range(30):
            at_us = platform.clock.now_us() + 1
            log.append(Prediction(new_id("p"), at_us, LOOP, version, "live", new_id("u"), 200, 900, {}, b"", b""))


def add_rows(platform: Platform, count: int, since: datetime) -> None:
    rng = np.random.default_rng(count)
    x = rng.normal(size=count)
    y = (rng.random(count) < 1 / (1 + np.exp(-2.0 * x))).astype(float)
    at = pa.array([since + timedelta(seconds=place) for place in range(count)], pa.timestamp("us", "UTC"))
    platform.data.append("rides", pa.table({"at": at, "x": x, "y": y}))


def newest(platform: Platform) -> TurnState | None:
    turns = platform.loop.history(LOOP, limit=1)
    return turns[0].state if turns else None


def in_a_fork(work: Callable[[], None]) -> bool:
    """Whether it came to its end; False if it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def main(out: Path) -> None:
    out.mkdir()
    assert in_a_fork(lambda: prepare(out / "prepared"))
    for point in range(1, MOST_POINTS):
        folder = out / str(point)
        shutil.copytree(out / "prepared", folder)
        # The loop knows its project by its path: all copies share the prepared one.
        if in_a_fork(lambda folder=folder, point=point: go_on(folder, point)):  # type: ignore[misc]
            print(point - 1)
            return
        assert in_a_fork(lambda folder=folder: go_on(folder, 0))  # type: ignore[misc]
    raise AssertionError(f"more than {MOST_POINTS} points")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
