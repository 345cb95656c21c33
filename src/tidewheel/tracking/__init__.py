"""Experiment tracking: experiments, runs, params, metrics, tags and artifacts, with MLflow's meanings.

Verbs: `Tracking.start_run | log_batch | log_artifact | end_run | run | runs | compare`, and the SDK's `start_run`,
`active_run`, `log_param(s)`, `log_metric(s)`, `set_tag(s)`, `log_artifact` for code that trains. Owns
`tracking_experiments`, `tracking_runs`, `tracking_params`, `tracking_tags`, `tracking_metrics`,
`tracking_metric_points`, `tracking_artifacts`, `tracking_views`. Emits `tracking.experiment.created`,
`tracking.run.started`, `tracking.run.resumed`, `tracking.run.ended`, `tracking.run.described`, `tracking.run.deleted`,
`tracking.run.restored`, `tracking.artifact.logged`, `tracking.view.saved`, `tracking.view.deleted`; metric points are
measurements and leave no entry. Reads no events.
"""

from tidewheel.tracking.experiments import Experiments
from tidewheel.tracking.records import Artifact, Experiment, MetricPoint, Run, RunComparison
from tidewheel.tracking.sdk import (
    ActiveRun,
    active_run,
    log_artifact,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    set_tag,
    set_tags,
    start_run,
)
from tidewheel.tracking.service import Tracking
from tidewheel.tracking.view_records import ExperimentCounts, RunKeys, SavedView
from tidewheel.tracking.views import Views

__all__ = [
    "ActiveRun",
    "Artifact",
    "Experiment",
    "ExperimentCounts",
    "Experiments",
    "MetricPoint",
    "Run",
    "RunComparison",
    "RunKeys",
    "SavedView",
    "Tracking",
    "Views",
    "active_run",
    "log_artifact",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "set_tag",
    "set_tags",
    "start_run",
]
