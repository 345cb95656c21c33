"""Experiments' verbs: made, found, renamed, described, put aside and taken back, with MLflow's rules.

`app.py` constructs it. The experiment ``0``, Default, is there from the first use on. A deleted experiment keeps its
name, and its runs are deleted and restored with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import NotFound, Taken
from tidewheel.base.units import from_us
from tidewheel.storage import Change, Metadata
from tidewheel.tracking import experiment_store, limits
from tidewheel.tracking.records import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID, Experiment


class Experiments:
    """Keeps the shelves that runs stand on."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock

    @door("POST", "/tracking/experiments")
    def create(self, name: str, artifact_location: str | None = None, tags: dict[str, str] | None = None) -> Experiment:
        """Make a new experiment; `artifact_location` is the address below which its runs keep their artifacts.

        Raises:
            Taken: if there is one of this name, active or deleted.
        """
        limits.check_experiment_name(name)
        location = limits.check_location(artifact_location) if artifact_location else None
        texts = limits.check_texts(tags or {}, "tag", limits.MAX_EXPERIMENT_TAG)
        with self._metadata.change() as change:
            if experiment_store.find_experiment(change.connection, name=name):
                raise Taken(f"Experiment(name={name}) already exists.", fix="Choose another name, or use it.")
            return make_experiment(change, self._clock.now_us(), name, location, texts)

    @door("GET", "/tracking/experiments/by-name")
    def by_name(self, name: str) -> Experiment:
        """The experiment of a name."""
        with self._metadata.read() as connection:
            found = experiment_store.find_experiment(connection, name=name)
        if found is None and name == DEFAULT_EXPERIMENT:
            return self._default()
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
            raise _no_experiment(experiment_id)
        return found

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
    default = name == DEFAULT_EXPERIMENT
    id_ = DEFAULT_EXPERIMENT_ID if default else experiment_store.next_experiment_id(change.connection)
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


def _no_experiment(experiment_id: str) -> NotFound:
    return NotFound(f"No Experiment with id={experiment_id[:80]} exists.", fix=_LIST)
