"""LoggedModels' verbs: MLflow 3's models, made by runs, measured by runs, used by runs, and registered or not.

`app.py` constructs it. A model's files are artifacts below its `artifact_location`; `models:/ID` names it. The verbs
of runs write metrics of models and links to them through `logged_model_store`, in their own transaction.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Taken
from tidewheel.base.filter_grammar import parse_filter
from tidewheel.base.page_tokens import page_offset, page_token as next_page
from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Change, Metadata
from tidewheel.tracking import experiment_store, limits, logged_model_search_store, logged_model_store, store
from tidewheel.tracking.experiments import ensure_experiment
from tidewheel.tracking.logged_model_records import (
    DatasetRef,
    LoggedModel,
    LoggedModelPage,
    LoggedModelStatus,
    ModelMetric,
    ModelOrder,
    RunModel,
)
from tidewheel.tracking.records import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID, Experiment

MAX_RESULTS = 1000
_ID = re.compile(r"m-[0-9a-z]{1,64}")
_BAD_IN_NAMES = ("/", ":", ".", "%", '"', "'")
_LIST = "`mlflow.search_logged_models` lists them."


class LoggedModels:
    """Keeps the models that runs made."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock

    @door("POST", "/tracking/logged-models")
    def create(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str = "",
        params: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        model_type: str = "",
        model_id: str | None = None,
    ) -> LoggedModel:
        """Begin a model: it is PENDING until its files are there and it is finalized.

        `model_id` is an id of the caller's choice, not in use yet.
        """
        id_ = _check_id(model_id) if model_id is not None else f"m-{secrets.token_hex(16)}"
        now_us = self._clock.now_us()
        with self._metadata.change() as change:
            home = _active_experiment(change, experiment_id, now_us)
            if logged_model_store.exists(change.connection, id_):
                raise Taken(f"There is a logged model {id_!r} already.", fix="Choose another id.")
            model = LoggedModel(
                id=id_,
                experiment_id=home.id,
                name=_check_name(name) if name is not None else f"model-{id_[-8:]}",
                artifact_location=f"{home.artifact_location.rstrip('/')}/models/{id_}/artifacts",
                status="PENDING",
                lifecycle_stage="active",
                model_type=model_type,
                source_run_id=source_run_id,
                created_at=from_us(now_us),
                updated_at=from_us(now_us),
                params=limits.check_texts(params or {}, "param", limits.MAX_PARAM),
                tags=limits.check_texts(tags or {}, "tag", limits.MAX_TAG),
            )
            logged_model_store.add_model(change.connection, model)
            facts = {"experiment": home.name, "name": model.name, "model_type": model_type, "params": model.params}
            inputs = [f"run:{source_run_id}"] if source_run_id else []
            change.emit("tracking.logged_model.created", model.node, {**facts, "tags": model.tags}, inputs=inputs)
        return model

    @door("POST", "/tracking/logged-models/search", role="viewer")
    def search(
        self,
        experiment_ids: list[str],
        filter: str = "",  # noqa: A002  (the name that every search has)
        datasets: list[DatasetRef] | None = None,
        order_by: list[ModelOrder] | None = None,
        limit: int = 100,
        page_token: str | None = None,
    ) -> LoggedModelPage:
        """The active models of experiments that a filter fits, in MLflow's grammar; the newest first.

        `datasets` bounds which metrics count, in the filter and as such.
        """
        if not 0 < limit <= MAX_RESULTS:
            raise InvalidInput(
                f"Invalid value {limit} for parameter 'max_results' supplied.",
                fix=f"It must be between 1 and {MAX_RESULTS}.",
            )
        comparisons = parse_filter(filter, logged_model_search_store.VOCABULARY)
        offset = page_offset(page_token)
        with self._metadata.read() as connection:
            ids = logged_model_search_store.search_ids(
                connection, experiment_ids, comparisons, datasets or (), order_by or (), limit + 1, offset
            )
            models = logged_model_store.find_models(connection, ids[:limit])
        return LoggedModelPage(tuple(models), next_page(offset + limit) if len(ids) > limit else None)

    @door("GET", "/tracking/logged-models/{model_id}")
    def model(self, model_id: str, deleted: bool = False) -> LoggedModel:
        """A model with its params, tags and metrics; a deleted one only if `deleted` says so."""
        with self._metadata.read() as connection:
            found = logged_model_store.find_models(connection, [model_id])
        if not found or (found[0].lifecycle_stage == "deleted" and not deleted):
            raise _no_model(model_id)
        return found[0]

    @door("POST", "/tracking/logged-models/{model_id}/finalize")
    def finalize(self, model_id: str, status: LoggedModelStatus = "READY") -> LoggedModel:
        """Say that a model's files are there, or that they will not come."""
        with self._metadata.change() as change:
            _require(change.connection, model_id)
            logged_model_store.set_status(change.connection, model_id, status, self._clock.now_us())
            change.emit("tracking.logged_model.finalized", f"logged_model:{model_id}", {"status": status})
        return self.model(model_id, deleted=True)

    @door("POST", "/tracking/logged-models/{model_id}/delete")
    def delete(self, model_id: str) -> None:
        """Put a model aside; its files stay."""
        with self._metadata.change() as change:
            _require(change.connection, model_id)
            logged_model_store.set_stage(change.connection, model_id, "deleted", self._clock.now_us())
            change.emit("tracking.logged_model.deleted", f"logged_model:{model_id}")

    @door("POST", "/tracking/logged-models/{model_id}/params")
    def log_params(self, model_id: str, params: dict[str, str]) -> None:
        """Write params down. A param is written once; the same value again is no change.

        Raises:
            Conflict: if one has another value already; then none is written.
        """
        values = limits.check_texts(params, "param", limits.MAX_PARAM)
        with self._metadata.change() as change:
            _require(change.connection, model_id)
            logged_model_store.add_params(change.connection, model_id, _unwritten(change.connection, model_id, values))
            change.emit("tracking.logged_model.described", f"logged_model:{model_id}", {"params": values})

    @door("POST", "/tracking/logged-models/{model_id}/tags")
    def set_tags(self, model_id: str, tags: dict[str, str]) -> None:
        """Set tags, over what they were."""
        values = limits.check_texts(tags, "tag", limits.MAX_TAG)
        with self._metadata.change() as change:
            _require(change.connection, model_id)
            logged_model_store.write_tags(change.connection, model_id, values)
            change.emit("tracking.logged_model.described", f"logged_model:{model_id}", {"tags": values})

    @door("POST", "/tracking/logged-models/{model_id}/delete-tag")
    def delete_tag(self, model_id: str, key: str) -> None:
        """Remove a tag."""
        with self._metadata.change() as change:
            _require(change.connection, model_id)
            if not logged_model_store.delete_tag(change.connection, model_id, key):
                raise NotFound(f"No tag with key {key[:200]!r} found for model with ID {model_id!r}.")
            change.emit("tracking.logged_model.described", f"logged_model:{model_id}", {"deleted_tag": key})

    def adopt(self, model: LoggedModel) -> None:
        """Take in a model as another tracker kept it, whole; of one that is here, what changed there.

        It may be of a deleted experiment; its files are kept apart from it.
        """
        _check_id(model.id)
        limits.check_texts(model.params, "param", limits.MAX_PARAM)
        limits.check_texts(model.tags, "tag", limits.MAX_TAG)
        with self._metadata.change() as change:
            if logged_model_store.exists(change.connection, model.id):
                logged_model_store.set_status(change.connection, model.id, model.status, to_us(model.updated_at))
                logged_model_store.write_tags(change.connection, model.id, model.tags)
                unwritten = _unwritten(change.connection, model.id, model.params)
                logged_model_store.add_params(change.connection, model.id, unwritten)
            else:
                logged_model_store.add_model(change.connection, model)
            if model.metrics:
                logged_model_store.add_metrics(change.connection, {model.id: model.metrics})
            facts = {"name": model.name, "status": model.status, "params": model.params, "tags": model.tags}
            inputs = [f"run:{model.source_run_id}"] if model.source_run_id else []
            change.emit("tracking.logged_model.adopted", model.node, facts, inputs=inputs)

    def log_metrics(self, measured: Mapping[str, Sequence[ModelMetric]]) -> None:
        """Add what runs measured of models, by the models' ids; what is there already stays."""
        with self._metadata.record() as connection:
            logged_model_store.add_metrics(connection, measured)

    @door("POST", "/tracking/runs/{run_id}/output-models")
    def log_outputs(self, run_id: str, models: list[RunModel]) -> None:
        """Say that a run made models."""
        with self._metadata.change() as change:
            _require_active_run(change.connection, run_id)
            logged_model_store.link_models(change.connection, run_id, "output", models)
            for model in models:
                node, facts = f"logged_model:{model.model_id}", {"run": run_id, "step": model.step}
                change.emit("tracking.logged_model.linked", node, facts, inputs=[f"run:{run_id}"])

    @door("POST", "/tracking/runs/{run_id}/input-models")
    def log_inputs(self, run_id: str, model_ids: list[str]) -> None:
        """Say that a run used models."""
        with self._metadata.change() as change:
            _require_active_run(change.connection, run_id)
            note_input_models(change, run_id, model_ids)

    def of_runs(self, run_ids: Sequence[str]) -> tuple[dict[str, list[RunModel]], dict[str, list[RunModel]]]:
        """The models that runs used and those that they made, by run."""
        with self._metadata.read() as connection:
            used = logged_model_store.models_of_runs(connection, run_ids, "input")
            return used, logged_model_store.models_of_runs(connection, run_ids, "output")


def note_input_models(change: Change, run_id: str, model_ids: Sequence[str]) -> None:
    """Write down that a run used models, within the transaction of a verb of runs."""
    logged_model_store.link_models(change.connection, run_id, "input", [RunModel(id_) for id_ in model_ids])
    nodes = [f"logged_model:{id_}" for id_ in model_ids]
    change.emit("tracking.run.used_models", f"run:{run_id}", {"models": list(model_ids)}, inputs=nodes)


def _active_experiment(change: Change, experiment_id: str, now_us: int) -> Experiment:
    found = experiment_store.find_experiment(change.connection, id_=experiment_id)
    if found is None and experiment_id == DEFAULT_EXPERIMENT_ID:
        return ensure_experiment(change, now_us, DEFAULT_EXPERIMENT)
    if found is None:
        raise NotFound(f"No Experiment with id={experiment_id[:80]} exists.", fix="`tidewheel experiments ls` lists.")
    if found.lifecycle_stage == "deleted":
        raise Conflict(
            f"The experiment {found.id} must be in the 'active' state. Current state is deleted.", fix="Restore it."
        )
    return found


def _check_id(model_id: str) -> str:
    if not _ID.fullmatch(model_id):
        raise InvalidInput(f"{model_id[:80]!r} cannot be a logged model's id.", fix="As in m-0123456789abcdef.")
    return model_id


def _check_name(name: str) -> str:
    if not name or len(name) > 500 or any(bad in name for bad in _BAD_IN_NAMES):
        raise InvalidInput(
            f"Invalid model name ({name[:200]!r}) provided. Model name must be a non-empty string "
            f"and cannot contain the following characters: {_BAD_IN_NAMES}",
            fix="Choose another.",
        )
    return name


def _unwritten(connection: Connection, model_id: str, values: Mapping[str, str]) -> dict[str, str]:
    written = logged_model_store.read_params(connection, model_id)
    for key, value in values.items():
        if written.get(key, value) != value:
            raise Conflict(
                f"The param {key!r} of the logged model {model_id} is {written[key]!r} already.",
                fix="Params are written once; use a tag for what changes.",
            )
    return {key: value for key, value in values.items() if key not in written}


def _require(connection: Connection, model_id: str) -> None:
    if not logged_model_store.exists(connection, model_id):
        raise _no_model(model_id)


def _require_active_run(connection: Connection, run_id: str) -> None:
    stage = store.lifecycle_stage(connection, run_id)
    if stage is None:
        raise NotFound(f"Run with id={run_id[:80]} not found", fix="`tidewheel runs ls` lists them.")
    if stage == "deleted":
        raise Conflict(f"The run {run_id} must be in the 'active' state. Current state is deleted.", fix="Restore it.")


def _no_model(model_id: str) -> NotFound:
    return NotFound(f"Logged model with ID '{model_id[:80]}' not found.", fix=_LIST)
