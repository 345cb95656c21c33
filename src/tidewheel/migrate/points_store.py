"""Metric points of an MLflow database, read through its own store and its own table, without an object for each point.

The database has the schema of the installed client (`source.py` sees to it), whose class names the columns. Called by
`histories.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tidewheel.migrate.source_records import Point


def points_of_runs(store: Any, run_ids: Sequence[str]) -> dict[str, list[Point]]:
    """Every point of these runs, by run."""
    table: Any = import_module("mlflow.store.tracking.dbmodels.models").SqlMetric
    found: dict[str, list[Point]] = {run_id: [] for run_id in run_ids}
    columns = (table.run_uuid, table.key, table.value, table.timestamp, table.step, table.is_nan)
    with store.ManagedSessionMaker() as session:
        rows = session.query(*columns).filter(table.run_uuid.in_(run_ids)).yield_per(10_000)
        for run_id, key, value, at_ms, step, is_nan in rows:
            found[run_id].append((key, math.nan if is_nan else value, at_ms, step))
    return found
