"""Experiments' verbs: made, found, renamed, described, put aside and taken back, with MLflow's rules.

`app.py` constructs it. The experiment ``0``, Default, is there from the first use on. A deleted experiment keeps its
name, and its runs are deleted and restored with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, NotFound, Taken
from tidewheel.base.filter_grammar import parse_filter, parse_order_by
from tidewheel.base.page_tokens import page_offset, page_token as token_of
from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Change, Metadata
from tidewheel.tracking import experiment_store, limits, store
from tidewheel.tracking.experiment_search_store import EXPERIMENT_WORDS, search_experiments
from tidewheel.tracking.records import (
    DEFAULT_EXPERIMENT,
    DEFAULT_EXPERIMENT_ID,
    Experiment,
    ExperimentPage,
    LifecycleStage,
    Stage,
)


class Experiments:
    """Keeps the shelves that runs stand on."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock

    @door("POST", "/tracking/experiments")
    def create(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: dict[str, str] | None = None,
        created_at: datetime | None = None,
    ) -> Experiment:
        """Make a new experiment; `artifact_location` is the address below which its runs keep their artifacts.

        `created_at` is for one that was made earlier, elsewhere.

        Raises:
            Taken: if there is one of this name, active or deleted.
        """
        limits.check_experiment_name(name)
        location = limits.check_location(artifact_location) if artifact_location else None
        texts = limits.check_texts(tags or {}, "tag", limits.MAX_EXPERIMENT_TAG)
        with self._metadata.change() as change:
            if experiment_store.find_experiment(change.connection, name=name):
                raise Taken(f"Experiment(name={name}) already exists.", fix="Choose another name, or use it.")
            at_us = to_us(created_at) if created_at else self._clock.now_us()
            return make_experiment(change, at_us, name, location, texts)

    @door("GET", "/tracking/experiments/by-name")
    def by_name(self, name: str) -> Experiment:
        """The experiment of a name."""
        with self._metadata.read() as connection:
            found = experiment_store.find_experiment(connection, name=name)
        if found is None and name == DEFAULT_EXPERIMENT:  # not made yet, or called otherwise now
            found = self.experiment(DEFAULT_EXPERIMENT_ID)
            found = found if found.name == name else None
        if found is None:
            raise NotFound(f"Could not find experiment with name '{name[:200]}'.", fix=_LIST)
        return found

    @door("GET", "/tracking/experiments/{experiment_id}")
    def experiment(self, experiment_id: str) -> Experiment:
        """The experiment of an id."""
        with self._metadata.read() as connection:
            found = experiment_store.find_experiment(connection, id_=experiment_id)
        if found is None and experiment_id == DEFAULT_EXPERIMENT_ID:
            return self._default()
        if found is None:
            raise no_experiment(experiment_id)
        return found

    @door("GET", "/tracking/experiments")
    def search(
        self,
        filter: str = "",  # noqa: A002 - the protocol's word
        order_by: list[str] | None = None,
        limit: int = 1000,
        page_token: str | None = None,
        stage: Stage = "active",
    ) -> ExperimentPage:
        """Experiments that fulfil a filter, in order, page by page; the newest first unless told otherwise."""
        limits.check_limit(limit)
        filters, orders = parse_filter(filter, EXPERIMENT_WORDS), parse_order_by(order_by, EXPERIMENT_WORDS)
        offset = page_offset(page_token)
        self._ensure_default()
        with self._metadata.read() as connection:
            found = search_experiments(connection, filters, orders, stage, limit=limit + 1, offset=offset)
        return ExperimentPage(found[:limit], token_of(offset + limit) if len(found) > limit else None)

    @door("POST", "/tracking/experiments/{experiment_id}/rename")
    def rename(self, experiment_id: str, name: str) -> Experiment:
        """Give an experiment another name."""
        limits.check_experiment_name(name)
        with self._metadata.change() as change:
            found = self._require(change, experiment_id)
            if found.lifecycle_stage != "active":
                raise Conflict(
                    "Cannot rename experiment in non-active lifecycle stage. Current stage: deleted.",
                    fix="Restore it first.",
                )
            other = experiment_store.find_experiment(change.connection, name=name)
            if other is not None and other.id != experiment_id:
                raise Taken(f"Experiment(name={name}) already exists.", fix="Choose another name.")
            experiment_store.change_experiment(change.connection, experiment_id, self._clock.now_us(), name=name)
            change.emit("tracking.experiment.renamed", found.node, {"from": found.name, "to": name})
        return self.experiment(experiment_id)

    @door("POST", "/tracking/experiments/{experiment_id}/delete")
    def delete(self, experiment_id: str) -> None:
        """Put an experiment and its runs aside; both can be restored until they are purged."""
        self._move(experiment_id, "deleted")

    @door("POST", "/tracking/experiments/{experiment_id}/restore")
    def restore(self, experiment_id: str) -> None:
        """Take a deleted experiment back, with its runs."""
        self._move(experiment_id, "active")

    @door("POST", "/tracking/experiments/{experiment_id}/tags")
    def set_tags(self, experiment_id: str, tags: dict[str, str]) -> None:
        """Set tags, over what they were."""
        texts = limits.check_texts(tags, "tag", limits.MAX_EXPERIMENT_TAG)
        with self._metadata.change() as change:
            found = self._require_active(change, experiment_id)
            experiment_store.write_experiment_tags(change.connection, experiment_id, texts)
            change.emit("tracking.experiment.described", found.node, {"tags": texts})

    @door("POST", "/tracking/experiments/{experiment_id}/tags/delete")
    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Drop a tag."""
        with self._metadata.change() as change:
            found = self._require_active(change, experiment_id)
            if key not in found.tags:
                raise NotFound(f"No tag with name: {key[:250]} in experiment with id {experiment_id}.", fix=_LIST)
            experiment_store.forget_experiment_tags(change.connection, experiment_id, [key])
            change.emit("tracking.experiment.described", found.node, {"deleted_tag": key})

    def _move(self, experiment_id: str, stage: LifecycleStage) -> None:
        now_us = self._clock.now_us()
        with self._metadata.change() as change:
            found = self._require(change, experiment_id)
            if found.lifecycle_stage == stage:
                raise no_experiment(experiment_id, "active" if stage == "deleted" else "deleted")
            experiment_store.change_experiment(change.connection, experiment_id, now_us, stage=stage)
            deleted_at_us = now_us if stage == "deleted" else None
            store.set_lifecycle_stage_of_all(change.connection, experiment_id, stage, deleted_at_us)
            change.emit(f"tracking.experiment.{'deleted' if stage == 'deleted' else 'restored'}", found.node)

    def _require(self, change: Change, experiment_id: str) -> Experiment:
        found = experiment_store.find_experiment(change.connection, id_=experiment_id)
        if found is None and experiment_id == DEFAULT_EXPERIMENT_ID:
            return ensure_experiment(change, self._clock.now_us(), DEFAULT_EXPERIMENT)
        if found is None:
            raise no_experiment(experiment_id)
        return found

    def _require_active(self, change: Change, experiment_id: str) -> Experiment:
        found = self._require(change, experiment_id)
        if found.lifecycle_stage == "deleted":
            raise Conflict(
                f"The experiment {experiment_id} must be in the 'active' state. Current state is deleted.",
                fix="Restore it first.",
            )
        return found

    def _ensure_default(self) -> None:
        with self._metadata.read() as connection:
            there = experiment_store.find_experiment(connection, id_=DEFAULT_EXPERIMENT_ID)
        if there is None:
            self._default()

    def _default(self) -> Experiment:
        with self._metadata.change() as change:
            return ensure_experiment(change, self._clock.now_us(), DEFAULT_EXPERIMENT)


_LIST = "`tidewheel experiments ls` lists them."


def ensure_experiment(change: Change, now_us: int, name: str) -> Experiment:
    """The experiment of a name, made if it is not there; for verbs that already write."""
    found = experiment_store.find_experiment(change.connection, name=name)
    return found or make_experiment(change, now_us, name)


def make_experiment(
    change: Change, now_us: int, name: str, location: str | None = None, tags: Mapping[str, str] | None = None
) -> Experiment:
    """Write a new experiment down, whose name is free."""
    taken = name != DEFAULT_EXPERIMENT or experiment_store.find_experiment(change.connection, id_=DEFAULT_EXPERIMENT_ID)
    id_ = experiment_store.next_experiment_id(change.connection) if taken else DEFAULT_EXPERIMENT_ID
    experiment = Experiment(
        id=id_,
        name=name,
        artifact_location=location or f"mlflow-artifacts:/{id_}",
        lifecycle_stage="active",
        created_at=from_us(now_us),
        updated_at=from_us(now_us),
        tags=dict(tags or {}),
    )
    experiment_store.add_experiment(change.connection, experiment)
    change.emit("tracking.experiment.created", experiment.node, {"name": name, "tags": experiment.tags})
    return experiment


def no_experiment(experiment_id: str, stage: str = "") -> NotFound:
    """The error for an experiment that is not there, or not in a stage."""
    stage = f"{stage} " if stage else ""
    return NotFound(f"No {stage}Experiment with id={experiment_id[:80]} exists.", fix=_LIST)
