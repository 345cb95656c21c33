"""Reads a source's experiments, runs and models page by page through MLflow's client, as plain records.

Called by the steps of an import. It never keeps more than a page; histories of metrics have a file of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tidewheel.base.errors import Unavailable
from tidewheel.migrate.source import Source
from tidewheel.migrate.source_records import (
    Point,
    SourceDataset,
    SourceExperiment,
    SourceLoggedModel,
    SourceModel,
    SourceRun,
    SourceVersion,
)

RUNS_A_PAGE = 1000
_RUNS_A_PAGE_OF_FILES = 50_000  # a file store reads all of its runs for each page
_ANY_STAGE = 3  # MLflow's ViewType.ALL
_PROMPT_TAG = "mlflow.prompt.is_prompt"


@contextmanager
def answering(source: Source) -> Iterator[None]:
    """Turns what the client raises into an error that names the source."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise Unavailable(
            f"The source did not give what was asked: {str(error)[:500]}",
            where=source.address.label,
            fix="Run the import again to go on where it stood.",
        ) from None


def experiments(source: Source) -> list[SourceExperiment]:
    """Every experiment, deleted ones too, oldest first."""
    found = _pages(source, lambda token: source.client.search_experiments(_ANY_STAGE, 1000, page_token=token))
    return sorted((_experiment(entity) for entity in found), key=lambda each: (each.created_at_ms or 0, each.id))


def runs(source: Source, experiment_ids: Sequence[str], since_ms: int | None) -> Iterator[list[SourceRun]]:
    """Pages of runs, deleted ones too, oldest first, so that a parent comes before its children."""
    words = f"attributes.start_time >= {since_ms}" if since_ms is not None else ""
    size = _RUNS_A_PAGE_OF_FILES if source.address.kind == "folder" else RUNS_A_PAGE
    token: str | None = None
    while experiment_ids:
        with answering(source):
            page = source.client.search_runs(
                list(experiment_ids), words, _ANY_STAGE, size, ["attributes.start_time ASC"], token
            )
            found = [_run(entity) for entity in page]
        for start in range(0, len(found), RUNS_A_PAGE):
            yield found[start : start + RUNS_A_PAGE]
        token = page.token
        if not token:
            return


def logged_models(source: Source, experiment_ids: Sequence[str]) -> Iterator[SourceLoggedModel]:
    """Every logged model; none where the source is older than those."""
    if not experiment_ids:
        return
    ids = list(experiment_ids)
    try:
        for entity in _pages(source, lambda token: source.client.search_logged_models(ids, page_token=token)):
            yield _logged_model(entity)
    except Unavailable as error:
        if "404" not in error.message and "ENDPOINT_NOT_FOUND" not in error.message:
            raise


def models(source: Source) -> Iterator[SourceModel]:
    """Every registered model with its versions; prompts are none."""
    for entity in _pages(source, lambda token: source.client.search_registered_models(page_token=token)):
        if _PROMPT_TAG not in entity.tags:
            yield _model(source, entity)


def count_prompts(source: Source) -> int | None:
    """How many prompts the source holds; None where it would not say."""
    words = f"tags.`{_PROMPT_TAG}` = 'true'"
    try:
        return sum(1 for _ in _pages(source, lambda t: source.client.search_registered_models(words, page_token=t)))
    except Unavailable:
        return None


def count_traces(source: Source, experiment_ids: Sequence[str]) -> int | None:
    """How many traces the source holds; None where it would not say."""
    ids = list(experiment_ids)
    if not ids:
        return 0
    try:
        found = _pages(
            source,
            lambda token: source.client.search_traces(
                locations=ids, max_results=500, page_token=token, include_spans=False
            ),
        )
        return sum(1 for _ in found)
    except Unavailable:
        return None


def _pages(source: Source, search: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        with answering(source):
            page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def _experiment(entity: Any) -> SourceExperiment:
    return SourceExperiment(
        id=str(entity.experiment_id),
        name=entity.name,
        stage=entity.lifecycle_stage,
        tags=dict(entity.tags),
        created_at_ms=entity.creation_time,
        artifact_location=entity.artifact_location or "",
    )


def _run(entity: Any) -> SourceRun:
    info, data, inputs = entity.info, entity.data, entity.inputs
    outputs = getattr(entity, "outputs", None)
    return SourceRun(
        id=info.run_id,
        experiment_id=str(info.experiment_id),
        name=info.run_name or "",
        user=info.user_id or "",
        status=info.status,
        stage=info.lifecycle_stage,
        started_at_ms=info.start_time or 0,
        ended_at_ms=info.end_time,
        params=dict(data.params),
        tags=dict(data.tags),
        latest=tuple(sorted((_point(metric) for metric in data._metric_objs), key=repr)),
        datasets=tuple(_dataset(given) for given in (inputs.dataset_inputs if inputs else ())),
        model_inputs=tuple(sorted(each.model_id for each in (getattr(inputs, "model_inputs", None) or ()))),
        model_outputs=tuple(sorted((each.model_id, each.step) for each in (outputs.model_outputs if outputs else ()))),
        artifact_uri=info.artifact_uri or "",
    )


def _point(metric: Any) -> Point:
    return metric.key, metric.value, metric.timestamp, metric.step


def _dataset(given: Any) -> SourceDataset:
    dataset = given.dataset
    return SourceDataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type=dataset.source_type,
        source=dataset.source,
        schema=dataset.schema,
        profile=dataset.profile,
        tags={tag.key: tag.value for tag in given.tags},
    )


def _logged_model(entity: Any) -> SourceLoggedModel:
    metrics = [(_point(m), m.run_id, m.dataset_name, m.dataset_digest) for m in entity.metrics or ()]
    return SourceLoggedModel(
        id=entity.model_id,
        experiment_id=str(entity.experiment_id),
        name=entity.name,
        model_type=entity.model_type or None,
        status=str(entity.status),
        status_message=entity.status_message or None,
        run_id=entity.source_run_id or None,
        created_at_ms=entity.creation_timestamp,
        updated_at_ms=entity.last_updated_timestamp,
        tags=dict(entity.tags),
        params=dict(entity.params),
        metrics=tuple(sorted(metrics, key=repr)),
        artifact_uri=entity.artifact_location,
    )


def _model(source: Source, entity: Any) -> SourceModel:
    words = "name='" + entity.name.replace("'", "''") + "'"
    found = _pages(source, lambda token: source.client.search_model_versions(words, page_token=token))
    versions = sorted((_version(source, each) for each in found), key=lambda each: each.number)
    with answering(source):
        whole = source.client.get_registered_model(entity.name)  # a search leaves out the aliases in some stores
    return SourceModel(
        name=entity.name,
        description=entity.description or "",
        tags=dict(entity.tags),
        aliases={alias: int(number) for alias, number in whole.aliases.items()},
        created_at_ms=entity.creation_timestamp,
        updated_at_ms=entity.last_updated_timestamp or entity.creation_timestamp,
        versions=tuple(versions),
    )


def _version(source: Source, entity: Any) -> SourceVersion:
    with answering(source):
        location = source.client.get_model_version_download_uri(entity.name, str(entity.version))
    return SourceVersion(
        model=entity.name,
        number=int(entity.version),
        source=entity.source or "",
        location=location or entity.source or "",
        run_id=entity.run_id or None,
        run_link=entity.run_link or None,
        description=entity.description or "",
        user=entity.user_id or None,
        stage=entity.current_stage or "None",
        status=entity.status,
        status_message=entity.status_message or None,
        tags=dict(entity.tags),
        created_at_ms=entity.creation_timestamp,
        updated_at_ms=entity.last_updated_timestamp or entity.creation_timestamp,
    )
