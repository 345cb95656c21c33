"""`tidewheel experiments …`: the shelves that runs stand on."""

from __future__ import annotations

import typer

from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(experiments, name="experiments")


experiments = typer.Typer(help="Experiments: the shelves that runs stand on.", no_args_is_help=True)


@command(experiments, "ls", show=table("id", "name", "lifecycle_stage", "updated_at", empty="No experiment yet."))
def ls(opened: Opened, filter: str = "", limit: int = 100) -> object:  # noqa: A002 - the option's name
    """Experiments, the newest first; `--filter` takes MLflow's language, as in "name LIKE 'surge%'"."""
    return opened.experiments.search(filter, limit=limit).experiments


@command(experiments, "delete")
def delete(opened: Opened, experiment_id: str) -> object:
    """Put an experiment and its runs aside; `restore` takes them back until `tidewheel runs purge`."""
    opened.experiments.delete(experiment_id)
    return opened.experiments.experiment(experiment_id)


@command(experiments, "restore")
def restore(opened: Opened, experiment_id: str) -> object:
    """Take a deleted experiment back, with its runs."""
    opened.experiments.restore(experiment_id)
    return opened.experiments.experiment(experiment_id)
