"""What there is to know about one run, gathered for people and for comparing: `tidewheel runs show`.

Reads only through the verbs of `Tracking`, so it works on a remote platform as on an open home.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.tracking.capture import ENVIRONMENT, SAME_AS_TAG
from tidewheel.tracking.records import Artifact, Run
from tidewheel.tracking.service import Tracking


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """A metric over the whole run; NaN is counted among the points and is no bound."""

    last: float
    low: float | None
    high: float | None
    points: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run, its metrics in brief, its artifacts, and the environment it recorded (empty if it recorded none)."""

    run: Run
    metrics: dict[str, MetricSummary]
    artifacts: list[Artifact]
    environment: dict[str, Any] = field(default_factory=dict)


def report_run(tracking: Tracking, run_id: str) -> RunReport:
    """Gather it."""
    run = tracking.run(run_id)
    metrics = {key: summarise(tracking, run, key) for key in sorted(run.metrics)}
    return RunReport(run, metrics, tracking.artifacts(run_id), read_environment(tracking, run))


def summarise(tracking: Tracking, run: Run, key: str) -> MetricSummary:
    """A metric in brief."""
    values = [point.value for point in tracking.metric_history(run.id, key)]
    numbers = [value for value in values if not math.isnan(value)]
    return MetricSummary(run.metrics[key], min(numbers, default=None), max(numbers, default=None), len(values))


def read_environment(tracking: Tracking, run: Run) -> dict[str, Any]:
    """What the run recorded of its environment; a child's is that of the run around it."""
    data = read_artifact(tracking, run.tags.get(SAME_AS_TAG, run.id), ENVIRONMENT)
    try:
        told: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any]) if data else {}
    except msgspec.DecodeError:
        return {}
    return told


def read_artifact(tracking: Tracking, run_id: str, path: str) -> bytes | None:
    """A small artifact, or None if the run kept none there."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return tracking.fetch_artifact(run_id, path, Path(scratch) / "artifact").read_bytes()
        except (NotFound, InvalidInput):
            return None
