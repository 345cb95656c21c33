"""What a source holds, as plain records: the rest of the room knows no class of MLflow's. Frozen, no I/O.

Instants stay the source's milliseconds (`*_ms`), so that nothing is rounded on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidewheel.migrate.records import Stage

Point = tuple[str, float, int, int]  # key, value, at_ms, step


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceExperiment:
    """An experiment there."""

    id: str
    name: str
    stage: Stage
    tags: dict[str, str]
    created_at_ms: int | None
    artifact_location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDataset:
    """A dataset that a run was given."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """A run there, with the latest point of each metric; its history is read apart."""

    id: str
    experiment_id: str
    name: str
    user: str
    status: str
    stage: Stage
    started_at_ms: int
    ended_at_ms: int | None
    params: dict[str, str]
    tags: dict[str, str]
    latest: tuple[Point, ...]
    datasets: tuple[SourceDataset, ...]
    model_inputs: tuple[str, ...]
    model_outputs: tuple[tuple[str, int], ...]
    artifact_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLoggedModel:
    """A logged model of MLflow 3 there. A metric is (point, run id, dataset's name, dataset's digest)."""

    id: str
    experiment_id: str
    name: str
    model_type: str | None
    status: str
    status_message: str | None
    run_id: str | None
    created_at_ms: int
    updated_at_ms: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: tuple[tuple[Point, str | None, str | None, str | None], ...]
    artifact_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVersion:
    """A version of a registered model there. `location` is where its files lie."""

    model: str
    number: int
    source: str
    location: str
    run_id: str | None
    run_link: str | None
    description: str
    user: str | None
    stage: str
    status: str
    status_message: str | None
    tags: dict[str, str]
    created_at_ms: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """A registered model there."""

    name: str
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]
    created_at_ms: int
    updated_at_ms: int
    versions: tuple[SourceVersion, ...]


def facts(record: Any) -> dict[str, Any]:
    """A record's fields, floats told apart to the last bit, to be hashed."""
    return {name: repr(getattr(record, name)) for name in record.__slots__}
