"""Experiment tracking: experiments, runs, params, metrics, tags and artifacts, with MLflow's meanings.

Verbs: `Tracking.start_run | log_batch | log_artifact | end_run | run | runs | compare`, and the SDK's `start_run`,
`active_run`, `log_param(s)`, `log_metric(s)`, `set_tag(s)`, `log_artifact` for code that trains. Owns
`tracking_experiments`, `tracking_runs`, `tracking_params`, `tracking_tags`, `tracking_metrics`,
`tracking_metric_points`, `tracking_artifacts`, `tracking_uploads`, `tracking_upload_parts`, `tracking_logged_models`,
`tracking_logged_model_params`, `tracking_logged_model_tags`, `tracking_logged_model_metrics`, `tracking_run_models`,
`tracking_views`, `tracking_experiment_tags`, `tracking_datasets`, `tracking_run_datasets`. Emits
`tracking.experiment.created`, `tracking.experiment.renamed`, `tracking.experiment.described`,
`tracking.experiment.deleted`, `tracking.experiment.restored`, `tracking.run.updated`, `tracking.run.given`,
`tracking.runs.purged`, `tracking.run.adopted`, `tracking.logged_model.adopted`,
`tracking.run.started`, `tracking.run.resumed`, `tracking.run.ended`, `tracking.run.described`, `tracking.run.deleted`,
`tracking.run.restored`, `tracking.artifact.logged`, `tracking.artifact.deleted`, `tracking.logged_model.created`,
`tracking.logged_model.finalized`, `tracking.logged_model.described`, `tracking.logged_model.linked`,
`tracking.logged_model.deleted`, `tracking.run.used_models`, `tracking.view.saved`, `tracking.view.deleted`; metric
points are measurements and leave no entry. Reads no events.
"""

from tidewheel.tracking.artifacts import Artifacts, StoredFile
from tidewheel.tracking.capture import seed
from tidewheel.tracking.experiments import Experiments
from tidewheel.tracking.logged_model_records import LoggedModel, LoggedModelPage, ModelMetric
from tidewheel.tracking.logged_models import LoggedModels
from tidewheel.tracking.multipart import MultipartUploads
from tidewheel.tracking.records import (
    Artifact,
    DatasetInput,
    Experiment,
    ExperimentPage,
    FileInfo,
    MetricPoint,
    Purged,
    Run,
    RunComparison,
    RunPage,
)
from tidewheel.tracking.sdk import (
    ActiveRun,
    active_run,
    capture_pipeline,
    flush,
    log_artifact,
    log_dict,
    log_figure,
    log_input,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_table,
    log_text,
    set_tag,
    set_tags,
    start_run,
    wait_for_capture,
)
from tidewheel.tracking.service import Tracking
from tidewheel.tracking.view_records import ExperimentCounts, RunKeys, SavedView
from tidewheel.tracking.views import Views

__all__ = [
    "ActiveRun",
    "Artifact",
    "Artifacts",
    "DatasetInput",
    "Experiment",
    "ExperimentCounts",
    "ExperimentPage",
    "Experiments",
    "FileInfo",
    "LoggedModel",
    "LoggedModelPage",
    "LoggedModels",
    "MetricPoint",
    "ModelMetric",
    "MultipartUploads",
    "Purged",
    "Run",
    "RunComparison",
    "RunKeys",
    "RunPage",
    "SavedView",
    "StoredFile",
    "Tracking",
    "Views",
    "active_run",
    "capture_pipeline",
    "flush",
    "log_artifact",
    "log_dict",
    "log_figure",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "seed",
    "set_tag",
    "set_tags",
    "start_run",
    "wait_for_capture",
]
