"""`/logged-models/{id}`: a model as a run logged it, and the lines by which a run's page names such models. Reads only.

A logged model is MLflow 3's: with params, tags, metrics and files of its own, before and apart from any registration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tidewheel.base.errors import NotFound
from tidewheel.server.pages.artifacts import PROXY

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.registry import ModelVersion
    from tidewheel.tracking import LoggedModel, Run
    from tidewheel.tracking.records import Artifact

_FILES = 200
_MODELS = 50
_LOOKED_UP = 20
_HIDDEN = "mlflow."
Way = Literal["made", "used"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModelLine:
    """A logged model beside a run: the run made it, at a step, or used it."""

    model: LoggedModel
    way: Way
    step: int
    versions: tuple[ModelVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModelView:
    """The whole page; `elsewhere` is the address of files that are not kept here."""

    model: LoggedModel
    experiment: str
    run: Run | None
    params: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    files: tuple[Artifact, ...]
    more: int
    elsewhere: str
    versions: tuple[ModelVersion, ...]


def logged_model_lines(platform: Platform, run: Run) -> tuple[LoggedModelLine, ...]:
    """The logged models that a run made, whether it says so or they do, and then those that it used."""
    used, made = platform.logged_models.of_runs([run.id])
    source = run.id.replace("'", "''")
    own = platform.logged_models.search([run.experiment_id], f"source_run_id = '{source}'", limit=_MODELS)
    steps = {model.id: 0 for model in reversed(own.models)}
    steps |= {each.model_id: each.step for each in made.get(run.id, ())}
    links: list[tuple[str, Way, int]] = [(model_id, "made", step) for model_id, step in list(steps.items())[:_MODELS]]
    links += [(each.model_id, "used", 0) for each in used.get(run.id, ())[:_MODELS]]
    return tuple(_lines(platform, links, _search(platform, "run_id", run.id)))


def logged_model_view(platform: Platform, model_id: str) -> LoggedModelView:
    """One logged model with all that is known of it."""
    model = platform.logged_models.model(model_id, deleted=True)
    here = model.artifact_location.startswith(PROXY)
    root = file_of(model, "")
    kept = platform.artifacts.below(root) if here else []
    files = [replace(file, path=file.path[len(root) + 1 :]) for file in kept[:_FILES]]
    return LoggedModelView(
        model=model,
        experiment=platform.experiments.experiment(model.experiment_id).name,
        run=_run(platform, model.source_run_id),
        params=tuple(sorted(model.params.items())),
        tags=tuple(sorted((key, text) for key, text in model.tags.items() if not key.startswith(_HIDDEN))),
        files=tuple(files),
        more=max(0, len(kept) - _FILES),
        elsewhere="" if here else model.artifact_location,
        versions=_versions(platform, model, _search(platform, "run_id", model.source_run_id)),
    )


def file_of(model: LoggedModel, path: str) -> str:
    """Where one of a logged model's files lies among all artifacts."""
    root = model.artifact_location.removeprefix(PROXY).strip("/")
    return f"{root}/{path}" if path else root


def _lines(
    platform: Platform, links: list[tuple[str, Way, int]], of_run: tuple[ModelVersion, ...]
) -> Iterator[LoggedModelLine]:
    """What is known of the models linked; a run's many checkpoints are not each looked up in the registry."""
    for place, (model_id, way, step) in enumerate(links):
        try:
            model = platform.logged_models.model(model_id, deleted=True)
        except NotFound:
            continue
        versions = _versions(platform, model, of_run) if place < _LOOKED_UP else ()
        yield LoggedModelLine(model=model, way=way, step=step, versions=versions)


def _versions(platform: Platform, model: LoggedModel, of_run: tuple[ModelVersion, ...]) -> tuple[ModelVersion, ...]:
    """What was registered from a logged model: under its address, or as its run's under its id."""
    found = {version.id: version for version in _search(platform, "source_path", f"models:/{model.id}")}
    return tuple((found | {version.id: version for version in of_run if version.model_id == model.id}).values())


def _search(platform: Platform, key: str, value: str) -> tuple[ModelVersion, ...]:
    if not value:
        return ()
    quoted = value.replace("'", "''")
    return platform.registry.search_versions(filter=f"{key} = '{quoted}'", limit=_MODELS).versions


def _run(platform: Platform, run_id: str) -> Run | None:
    try:
        return platform.tracking.run(run_id) if run_id else None
    except NotFound:
        return None
