"""Writes runs to a file for other tools: JSON with everything, CSV or Parquet with a row a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.wire import to_json
from tidewheel.tracking.records import Run
from tidewheel.tracking.run_report import report_run
from tidewheel.tracking.service import Tracking

MOST_RUNS = 100_000


def export_runs(tracking: Tracking, what: str, target: Path) -> int:
    """Write a run, or all runs of an experiment, to a file whose ending names the format; how many runs."""
    ending = target.suffix.lower().lstrip(".")
    if ending not in ("json", "csv", "parquet"):
        raise InvalidInput(f"{target.name!r} names no format.", fix="End the file with .json, .csv or .parquet.")
    try:
        runs = [tracking.run(what)]
    except NotFound:
        runs = tracking.runs(what, MOST_RUNS)
    if ending == "json":
        histories = [_whole(tracking, run) for run in runs]
        target.write_bytes(to_json(histories))
    else:
        _write_table(runs, target, ending)
    return len(runs)


def _whole(tracking: Tracking, run: Run) -> dict[str, Any]:
    report = report_run(tracking, run.id)
    points = {key: tracking.metric_history(run.id, key) for key in run.metrics}
    return {"run": run, "points": points, "artifacts": report.artifacts, "environment": report.environment}


def _write_table(runs: Sequence[Run], target: Path, ending: str) -> None:
    import pyarrow as pa

    about = ("id", "name", "experiment", "user", "status", "started_at", "ended_at")
    columns: dict[str, list[Any]] = {name: [getattr(run, name) for run in runs] for name in about}
    for group in ("params", "metrics", "tags"):
        for key in sorted({key for run in runs for key in getattr(run, group)}):
            columns[f"{group}.{key}"] = [getattr(run, group).get(key) for run in runs]
    table = pa.table(columns)
    if ending == "parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, target)
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, target)
