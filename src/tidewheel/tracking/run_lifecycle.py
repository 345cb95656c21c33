"""The part of `Tracking` that begins, changes, ends, deletes and restores runs, and deletes them for good."""

from __future__ import annotations

from datetime import datetime, timedelta

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, Taken
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us, parse_duration, to_us
from tidewheel.storage import Change, Metadata
from tidewheel.storage.journal import current_actor
from tidewheel.tracking import experiment_store, limits, metric_store, purge_store, store
from tidewheel.tracking.experiments import ensure_experiment, no_experiment
from tidewheel.tracking.process_identity import PROCESS_TAG, process_is_gone
from tidewheel.tracking.records import (
    DEFAULT_EXPERIMENT,
    DEFAULT_EXPERIMENT_ID,
    EndStatus,
    Experiment,
    Purged,
    Run,
    RunStatus,
)
from tidewheel.tracking.required_run import no_run, require_active_run, require_run


class RunLifecycle:
    """From the beginning of runs to their end."""

    _metadata: Metadata
    _clock: Clock

    @door("POST", "/tracking/runs")
    def start_run(
        self,
        experiment: str = DEFAULT_EXPERIMENT,
        name: str | None = None,
        tags: dict[str, str] | None = None,
        inputs: list[str] | None = None,
        run_id: str | None = None,
        started_at: datetime | None = None,
        experiment_id: str | None = None,
        user: str | None = None,
    ) -> Run:
        """Begin a run in an experiment, which is made if it is not there; `experiment_id` goes before its name.

        `inputs` are lineage nodes that it builds on; `run_id` is an id of the caller's choice, not in use yet. A caller
        that also says when the run began may send the same beginning twice, as one does whose answer got lost.
        """
        limits.check_experiment_name(experiment)
        run_tags = limits.check_texts(tags or {}, "tag", limits.MAX_TAG)
        chosen = run_id is not None
        run_id = limits.check_run_id(run_id) if run_id is not None else new_id("run")
        name = limits.check_run_name(name or f"run-{run_id[-8:]}")
        nodes = limits.check_inputs(inputs or ())
        sent_before = self._sent_before(run_id, started_at, user or current_actor()) if chosen else None
        if sent_before is not None:
            return sent_before
        with self._metadata.change() as change:
            home = self._home(change, experiment, experiment_id)
            if chosen and store.lifecycle_stage(change.connection, run_id) is not None:
                raise Taken(f"There is a run {run_id!r} already.", fix="Resume it, or choose another id.")
            run = Run(
                id=run_id,
                experiment_id=home.id,
                experiment=home.name,
                name=name,
                user=limits.check_run_name(user or current_actor()),
                status="RUNNING",
                lifecycle_stage="active",
                started_at=started_at or from_us(self._clock.now_us()),
                artifact_uri=home.artifact_root(run_id),
                inputs=nodes,
                tags=run_tags,
            )
            store.add_run(change.connection, run)
            facts = {"experiment": home.name, "name": run.name, "tags": run_tags}
            change.emit("tracking.run.started", run.node, facts, inputs=run.inputs)
        return run

    @door("POST", "/tracking/runs/{run_id}/resume")
    def resume_run(self, run_id: str) -> Run:
        """Say that a run which ended, or was cut off, is running again."""
        with self._metadata.change() as change:
            require_active_run(change.connection, run_id)
            store.set_status(change.connection, run_id, "RUNNING", None)
            store.delete_tag(change.connection, run_id, PROCESS_TAG)  # whoever goes on with it is not who began it
            change.emit("tracking.run.resumed", f"run:{run_id}")
            return store.find_runs(change.connection, [run_id])[0]

    @door("POST", "/tracking/runs/{run_id}/update")
    def update_run(
        self,
        run_id: str,
        status: RunStatus | None = None,
        ended_at: datetime | None = None,
        name: str | None = None,
    ) -> Run:
        """Change what is given of a run's status, end and name."""
        with self._metadata.change() as change:
            _update(change, run_id, status, ended_at, name)
            return store.find_runs(change.connection, [run_id])[0]

    def change_run(
        self, run_id: str, status: RunStatus | None = None, ended_at: datetime | None = None, name: str | None = None
    ) -> Run:
        """As `update_run`, for callers that do not ask what the run wrote: its params, metrics, tags and datasets,
        which may be thousands, are not read and not in the answer.
        """
        with self._metadata.change() as change:
            _update(change, run_id, status, ended_at, name)
            changed = store.find_bare_run(change.connection, run_id)
        if changed is None:
            raise no_run(run_id)
        return changed

    @door("POST", "/tracking/runs/{run_id}/end")
    def end_run(self, run_id: str, status: EndStatus = "FINISHED", ended_at: datetime | None = None) -> Run:
        """Say how a run ended, and when if that was not just now."""
        return self.update_run(run_id, status, ended_at or from_us(self._clock.now_us()))

    def end_abandoned(self) -> list[str]:
        """End, as KILLED, runs whose process on this machine is gone without a word; the controller asks for it.

        Their end is their last sign of life. What such a process left in its spool is still taken afterwards.
        """
        with self._metadata.read() as connection:
            begun = store.running_by_tag(connection, PROCESS_TAG)
        gone = [run_id for run_id, process in begun.items() if process_is_gone(process)]
        for run_id in gone:
            with self._metadata.change() as change:
                points = metric_store.latest_of_runs(change.connection, [run_id]).get(run_id, [])
                run = store.find_runs(change.connection, [run_id])[0]
                last_us = max([to_us(run.started_at), *(at_us for _, _, at_us, _ in points)])
                store.change_run(change.connection, run_id, status="KILLED", ended_at_us=last_us)
                change.emit("tracking.run.ended", run.node, {"status": "KILLED", "why": "Its process is gone."})
        return gone

    @door("POST", "/tracking/runs/{run_id}/delete")
    def delete_run(self, run_id: str) -> None:
        """Put a run aside; it can be restored until it is purged."""
        with self._metadata.change() as change:
            require_run(change.connection, run_id)
            store.set_lifecycle_stage(change.connection, run_id, "deleted", self._clock.now_us())
            change.emit("tracking.run.deleted", f"run:{run_id}")

    @door("POST", "/tracking/runs/{run_id}/restore")
    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back."""
        with self._metadata.change() as change:
            require_run(change.connection, run_id)
            store.set_lifecycle_stage(change.connection, run_id, "active", None)
            change.emit("tracking.run.restored", f"run:{run_id}")

    @door("POST", "/tracking/runs/purge", role="admin")
    def purge(self, older_than: str | timedelta = "30d") -> Purged:
        """Delete for good what was deleted longer than `older_than` ago: runs, experiments with theirs, artifacts.

        The journal keeps that they were there. Their artifacts are no longer found; the bytes stay among the blobs,
        where other artifacts and registered versions may share them.
        """
        before_us = self._clock.now_us() - round(parse_duration(older_than).total_seconds() * 1_000_000)
        with self._metadata.change() as change:
            gone = purge_store.deleted_before(change.connection, before_us)
            artifacts = purge_store.purge(change.connection, gone)
            counted = Purged(len(gone.experiment_ids), len(gone.run_ids), artifacts)
            facts = {"runs": gone.run_ids, "experiments": gone.experiment_ids, "artifacts": artifacts}
            change.emit("tracking.runs.purged", "tracking:runs", facts)
        return counted

    def _sent_before(self, run_id: str, started_at: datetime | None, user: str) -> Run | None:
        """The run, if this very beginning was sent before."""
        if started_at is None:
            return None
        with self._metadata.read() as connection:
            found = store.find_runs(connection, [run_id])
        return found[0] if found and (found[0].started_at, found[0].user) == (started_at, user) else None

    def _home(self, change: Change, name: str, experiment_id: str | None) -> Experiment:
        now_us = self._clock.now_us()
        if experiment_id is None:
            home = ensure_experiment(change, now_us, name)
        elif experiment_id == DEFAULT_EXPERIMENT_ID:
            found = experiment_store.find_experiment(change.connection, id_=experiment_id)
            home = found or ensure_experiment(change, now_us, DEFAULT_EXPERIMENT)
        else:
            found = experiment_store.find_experiment(change.connection, id_=experiment_id)
            if found is None:
                raise no_experiment(experiment_id)
            home = found
        if home.lifecycle_stage == "deleted":
            raise Conflict(
                f"The experiment {home.id} must be in the 'active' state. Current state is deleted.",
                fix="Restore it, or use another.",
            )
        return home


def _update(change: Change, run_id: str, status: RunStatus | None, ended_at: datetime | None, name: str | None) -> None:
    name = limits.check_run_name(name) if name else None
    ended_at_us = to_us(ended_at) if ended_at else None
    require_active_run(change.connection, run_id)
    store.change_run(change.connection, run_id, status=status, ended_at_us=ended_at_us, name=name)
    if status == "RUNNING":
        store.delete_tag(change.connection, run_id, PROCESS_TAG)
    facts = {"status": status} if name is None else {"status": status, "name": name}
    ended = status in {"FINISHED", "FAILED", "KILLED"}
    change.emit(f"tracking.run.{'ended' if ended else 'updated'}", f"run:{run_id}", facts)
