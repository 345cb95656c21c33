"""All that a protocol shows of runs, read at once: the runs, their latest points, the models they used and made.

Called by `RunReading` inside its transaction. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tidewheel.tracking import logged_model_store, metric_store, store
from tidewheel.tracking.logged_model_records import RunModel
from tidewheel.tracking.records import Run


@dataclass(frozen=True, slots=True)
class RunSheet:
    """One run; `latest` holds the last point of each of its metrics, `used` and `made` its models."""

    run: Run
    latest: Sequence[metric_store.Point]
    used: Sequence[RunModel]
    made: Sequence[RunModel]


def read_sheets(connection: Connection, run_ids: Sequence[str]) -> list[RunSheet]:
    """The sheets of those of these runs that are there, in the order of the ids."""
    latest = metric_store.latest_of_runs(connection, run_ids)
    used = logged_model_store.models_of_runs(connection, run_ids, "input")
    made = logged_model_store.models_of_runs(connection, run_ids, "output")
    return [
        RunSheet(run, latest.get(run.id, ()), used.get(run.id, ()), made.get(run.id, ()))
        for run in store.find_runs(connection, run_ids, latest)
    ]
