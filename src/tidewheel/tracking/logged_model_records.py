"""The nouns of MLflow 3's logged models: a model that a run made, before and apart from any registration. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tidewheel.tracking.records import LifecycleStage

LoggedModelStatus = Literal["UNSPECIFIED", "PENDING", "READY", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetric:
    """One value that a run measured of a logged model, on a dataset if one is named."""

    key: str
    value: float
    step: int
    at: datetime
    run_id: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model as a run logged it. It is PENDING until its files are there; `models:/ID` names it."""

    id: str
    experiment_id: str
    name: str
    artifact_location: str
    status: LoggedModelStatus
    lifecycle_stage: LifecycleStage
    created_at: datetime
    updated_at: datetime
    model_type: str = ""
    source_run_id: str = ""
    status_message: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: tuple[ModelMetric, ...] = ()

    @property
    def node(self) -> str:
        """Its name in the journal's lineage."""
        return f"logged_model:{self.id}"


@dataclass(frozen=True, slots=True)
class RunModel:
    """A logged model that a run used or made. `step` is of those it made: when it did."""

    model_id: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A dataset that metrics were measured on; without a digest, any of this name."""

    name: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """One key to sort logged models by: an attribute or ``metrics.KEY``, the latest of those on `dataset`."""

    field: str
    ascending: bool = True
    dataset: DatasetRef | None = None


@dataclass(frozen=True, slots=True)
class LoggedModelPage:
    """Some of the logged models that a search found, and the token of the next page."""

    models: tuple[LoggedModel, ...]
    next_page_token: str | None = None
