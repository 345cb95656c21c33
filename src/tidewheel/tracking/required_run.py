"""The checks with which every verb about a run begins, and their words, which are MLflow's."""

from __future__ import annotations

from sqlalchemy import Connection

from tidewheel.base.errors import Conflict, NotFound
from tidewheel.tracking import store
from tidewheel.tracking.records import LifecycleStage


def require_run(connection: Connection, run_id: str) -> LifecycleStage:
    """The stage of a run that must be there."""
    stage = store.lifecycle_stage(connection, run_id)
    if stage is None:
        raise no_run(run_id)
    return stage


def require_active_run(connection: Connection, run_id: str) -> None:
    """Refuse to go on with a run that is not there, or is deleted."""
    if require_run(connection, run_id) == "deleted":
        raise Conflict(
            f"The run {run_id} must be in the 'active' state. Current state is deleted.", fix="Restore it first."
        )


def no_run(run_id: str) -> NotFound:
    """The error for a run that is not there."""
    return NotFound(f"Run with id={run_id[:256]} not found.", fix="`tidewheel runs ls` lists them.")
