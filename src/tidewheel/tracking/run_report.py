"""What there is to know about one run, gathered for people and for comparing: `tidewheel runs show`.

Reads only through the verbs of `Tracking`, so it works on a remote platform as on an open home.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.tracking.capture import ENVIRONMENT, SAME_AS_TAG
from tidewheel.tracking.logged_model_records import LoggedModel
from tidewheel.tracking.process_identity import PROCESS_TAG, process_is_gone
from tidewheel.tracking.records import Artifact, MetricPoint, Run
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
    last_sign_at: datetime | None = None  # of one that is said to be running: its newest point, or its beginning
    process_gone: bool | None = None  # whether its process has died; None if that cannot be seen from here
    logged_models: tuple[LoggedModel, ...] = ()  # those that it made, where the caller has looked for them
    registered: tuple[str, ...] = ()  # versions made of it, as in surge/3; likewise


def report_run(tracking: Tracking, run_id: str) -> RunReport:
    """Gather it."""
    run = tracking.run(run_id)
    metrics, signs = {}, [run.started_at]
    for key in sorted(run.metrics):
        history = tracking.metric_history(run_id, key)
        metrics[key] = summarise(run.metrics[key], history)
        signs += [point.at for point in history if point.at is not None]
    report = RunReport(run, metrics, tracking.artifacts(run_id), read_environment(tracking, run))
    if run.status != "RUNNING":
        return report
    return replace(report, last_sign_at=max(signs), process_gone=process_is_gone(run.tags.get(PROCESS_TAG, "")))


def summarise(last: float, history: Sequence[MetricPoint]) -> MetricSummary:
    """A metric in brief."""
    numbers = [point.value for point in history if not math.isnan(point.value)]
    return MetricSummary(last, min(numbers, default=None), max(numbers, default=None), len(history))


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
