"""`tidewheel runs …`: what training code logged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidewheel.cli.command import Opened, Refused, command
from tidewheel.cli.output import console_of, line, print_grid, table
from tidewheel.cli.run_card import print_run, run_card

if TYPE_CHECKING:
    from tidewheel.tracking.differences import RunDifferences
    from tidewheel.tracking.reproduce import Reproduction


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(runs, name="runs")


runs = typer.Typer(help="Runs: parameters, metrics, artifacts.", no_args_is_help=True)


@command(runs, "ls", show=table("id", "name", "experiment", "status", "started_at", "metrics", empty="No run yet."))
def ls(opened: Opened, experiment: str | None = None, limit: int = 20) -> object:
    """Runs, newest first."""
    return opened.tracking.runs(experiment, limit)


@command(runs, "show", show=print_run)
def show(opened: Opened, run_id: str) -> object:
    """One run: parameters, metrics with their bounds, tags, environment, datasets, models, artifacts."""
    return run_card(opened, run_id)


def _side_by_side(found: RunDifferences) -> None:
    groups = ("params", "metrics", "code", "packages", "data", "hardware", "seeds", "tags")
    rows = [[group, name, *row] for group in groups for name, row in getattr(found, group).items()]
    if rows:
        print_grid(["", "", *found.run_ids], rows)
    else:
        console_of().print("Nothing that was recorded differs.")
    for run_id in found.not_recorded:
        console_of().print(f"{run_id} recorded no environment: its packages and hardware are not known.", markup=False)


@command(runs, "compare", show=_side_by_side)
def compare(opened: Opened, run_ids: Annotated[list[str], typer.Argument(metavar="RUN_ID...")]) -> object:
    """What differs between runs: parameters, code, packages, data, hardware, seeds; and all metrics."""
    from tidewheel.tracking.differences import difference_of_runs

    return difference_of_runs(opened.tracking, run_ids)


@command(runs, "export", show=line("Wrote {runs} runs to {file}."))
def export(opened: Opened, run_or_experiment: str, output: Annotated[Path, typer.Option("--output", "-o")]) -> object:
    """Write a run, or an experiment's runs, to a .json, .csv or .parquet file."""
    from tidewheel.tracking.export_runs import export_runs

    return {"runs": export_runs(opened.tracking, run_or_experiment, output), "file": str(output)}


@command(runs, "sync")
def sync(opened: Opened) -> object:
    """Send what training processes that are gone left in the spool."""
    from tidewheel.tracking.sdk.recovery import Delivered, deliver_left

    folder = opened.tracking.spool_folder
    return deliver_left(opened.tracking, folder) if folder is not None and folder.is_dir() else Delivered()


def _agreement(found: Reproduction) -> None:
    rows = [[k, m.was, m.is_now, "exact" if m.exact else "yes" if m.agrees else "no"] for k, m in found.metrics.items()]
    print_grid(["metric", found.run_id, found.reproduced_as, "agrees"], rows)
    console_of().print("The metrics agree." if found.agrees else "The metrics do not agree.")


@command(runs, "reproduce", show=_agreement)
def reproduce(
    opened: Opened,
    run_id: str,
    repository: Annotated[Path | None, typer.Option(help="Your clone of its code. Default: where it ran.")] = None,
    env: Annotated[str, typer.Option(help="fresh (install the recorded packages) or current.")] = "fresh",
    rtol: Annotated[float, typer.Option(help="Relative tolerance within which metrics agree.")] = 1e-9,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before running the recorded code.")] = False,
) -> object:
    """Run the recorded code again and say whether the metrics agree: exit 0 if they do, 3 if not."""
    from tidewheel.base.errors import InvalidInput
    from tidewheel.tracking.reproduce import plan_reproduction, reproduce as run_again

    if env not in ("fresh", "current"):
        raise InvalidInput(f"{env!r} is no environment.", fix="Use --env fresh or --env current.")
    plan = plan_reproduction(opened.tracking, run_id, repository)
    if not yes:
        told = f"Run `python {' '.join(plan.command)}` of commit {plan.commit[:12]} of {plan.repository}?"
        typer.confirm(told, abort=True, err=True)
    done = run_again(opened.tracking, plan, fresh=env == "fresh", server=_server(opened), rtol=rtol)
    if not done.agrees:
        raise Refused(done, 3)
    return done


def _server(opened: Opened) -> dict[str, str]:
    """The variables by which the new run finds the same platform; its token is in the environment already."""
    platform: Any = opened
    home = getattr(platform, "home", None)
    return {"TIDEWHEEL_HOME": str(home), "TIDEWHEEL_URL": ""} if home is not None else {"TIDEWHEEL_URL": platform.url}


@command(runs, "purge")
def purge(opened: Opened, older_than: Annotated[str, typer.Option(help="How long ago, as in 30d.")] = "30d") -> object:
    """Delete for good the runs and experiments that were deleted long ago, with their metrics and artifacts."""
    return opened.tracking.purge(older_than)
