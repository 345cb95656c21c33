"""The nouns of tracking, as in MLflow: Experiment, Run, Param, Metric, Artifact. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
EndStatus = Literal["FINISHED", "FAILED", "KILLED"]
LifecycleStage = Literal["active", "deleted"]
Stage = Literal["active", "deleted", "all"]

DEFAULT_EXPERIMENT_ID = "0"
DEFAULT_EXPERIMENT = "Default"
RUN_NAME_TAG = "mlflow.runName"  # MLflow's clients keep a run's name in a tag; here it is the name and no tag
PARENT_RUN_TAG = "mlflow.parentRunId"  # MLflow's name, so that its clients draw the same tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A named shelf of runs. Ids are counting numbers as text; ``0`` is there from the first use on."""

    id: str
    name: str
    artifact_location: str
    lifecycle_stage: LifecycleStage
    created_at: datetime
    updated_at: datetime
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def node(self) -> str:
        """Its name in the journal's lineage."""
        return f"experiment:{self.id}"

    def artifact_root(self, run_id: str) -> str:
        """Where a new run of it keeps its artifacts, unless told otherwise."""
        return f"{self.artifact_location.rstrip('/')}/{run_id}/artifacts"


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """Some of the experiments that were searched for, and the token that asks for the next."""

    experiments: list[Experiment]
    next_page_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of training code. `metrics` holds the latest value of each metric, `inputs` lineage nodes."""

    id: str
    experiment_id: str
    experiment: str
    name: str
    user: str
    status: RunStatus
    lifecycle_stage: LifecycleStage
    started_at: datetime
    artifact_uri: str
    ended_at: datetime | None = None
    inputs: tuple[str, ...] = ()
    datasets: tuple[DatasetInput, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def node(self) -> str:
        """Its name in the journal's lineage."""
        return f"run:{self.id}"

    def _repr_html_(self) -> str:
        from tidewheel.tracking.sdk.html import run_card  # late: only notebooks draw

        return run_card(self)


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset that a run was given, as its client describes it: what for is in the tag ``mlflow.data.context``."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset that runs of an experiment were given in a context."""

    experiment_id: str
    name: str
    digest: str
    context: str | None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs that were searched for, and the token that asks for the next."""

    runs: list[Run]
    next_page_token: str | None = None

    def _repr_html_(self) -> str:
        from tidewheel.tracking.sdk.html import run_table

        return run_table(self.runs, more=self.next_page_token is not None)


@dataclass(frozen=True, slots=True)
class Purged:
    """How much was deleted for good."""

    experiments: int
    runs: int
    artifacts: int


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of a metric; any float, also NaN and the infinities. Without `at`, the platform's present instant."""

    key: str
    value: float
    step: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that was kept, under a relative path with forward slashes."""

    path: str
    digest: str
    size_bytes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One line of a folder's listing; a folder has no size."""

    path: str
    is_dir: bool
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Runs side by side, in the order asked for: the params and tags in which they differ, and all their metrics."""

    run_ids: tuple[str, ...]
    params: dict[str, tuple[str | None, ...]]
    tags: dict[str, tuple[str | None, ...]]
    metrics: dict[str, tuple[float | None, ...]]

    def _repr_html_(self) -> str:
        from tidewheel.tracking.sdk.html import comparison_table

        return comparison_table(self)
