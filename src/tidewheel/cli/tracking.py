"""`tidewheel runs …`: what training code logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import print_grid, table

if TYPE_CHECKING:
    from tidewheel.tracking import RunComparison


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(runs, name="runs")


runs = typer.Typer(help="Runs: parameters, metrics, artifacts.", no_args_is_help=True)


@command(runs, "ls", show=table("id", "name", "experiment", "status", "started_at", "metrics", empty="No run yet."))
def ls(opened: Opened, experiment: str | None = None, limit: int = 20) -> object:
    """Runs, newest first."""
    return opened.tracking.runs(experiment, limit)


@command(runs, "show")
def show(opened: Opened, run_id: str) -> object:
    """One run: parameters, last metrics, tags, artifacts."""
    return {"run": opened.tracking.run(run_id), "artifacts": opened.tracking.artifacts(run_id)}


def _side_by_side(comparison: RunComparison) -> None:
    groups = (comparison.params, comparison.tags, comparison.metrics)
    rows = [[name, *values] for group in groups for name, values in group.items()]
    print_grid(["", *comparison.run_ids], rows)


@command(runs, "compare", show=_side_by_side)
def compare(opened: Opened, run_ids: Annotated[list[str], typer.Argument(metavar="RUN_ID...")]) -> object:
    """Runs side by side: the parameters in which they differ, and all metrics."""
    return opened.tracking.compare(run_ids)
