"""`tidewheel run PIPELINE` and `tidewheel pipelines …`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.cli.command import Opened, Refused, assignments, command
from tidewheel.cli.output import line, table

if TYPE_CHECKING:
    from tidewheel.pipelines import PipelineRun


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(pipelines, name="pipelines")
    command(app, "run", show=line("{pipeline}: {state} (run {id}){told}"), creates=True)(run)


pipelines = typer.Typer(help="Pipelines: runs and their steps.", no_args_is_help=True)
_ENDED = {"succeeded", "failed", "cancelled"}
_LOOK_EVERY_S = 0.2


def run(
    opened: Opened,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="As in path/project.py:fit.")],
    param: Annotated[list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="An argument.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for its end.")] = True,
) -> object:
    """Run a pipeline of a project file; exits with 1 if it fails."""
    begun = opened.pipelines.start(pipeline, assignments(param or []))
    if not wait:
        return _told(begun)
    ended = _drive(opened, begun)
    if ended.state != "succeeded":
        raise Refused(_told(ended), exit_code=1)
    return _told(ended)


@command(
    pipelines,
    "ls",
    show=table("id", "pipeline", "state", "created_at", "ended_at", "actor", empty="No pipeline run yet."),
)
def ls(opened: Opened, limit: int = 20) -> object:
    """The newest pipeline runs."""
    return opened.pipelines.runs(limit)


@command(pipelines, "show")
def show(opened: Opened, run_id: str) -> object:
    """One pipeline run and every attempt at its steps."""
    return {"run": opened.pipelines.run(run_id), "steps": opened.pipelines.steps(run_id)}


@command(pipelines, "resume", show=line("{pipeline}: {state} (run {id}){told}"), local_only=True)
def resume(opened: Opened, run_id: str) -> object:
    """Drive a run on whose process has died; finished steps are taken from the journal."""
    return _told(_drive(opened, opened.pipelines.run(run_id)))


@command(pipelines, "cancel", show=line("{pipeline}: {state} (run {id})"))
def cancel(opened: Opened, run_id: str) -> object:
    """Stop a run."""
    return opened.pipelines.cancel(run_id)


def _drive(opened: Opened, begun: PipelineRun) -> PipelineRun:
    """Drive a run here, or wait while another process does (a controller, or the one behind an address)."""
    from tidewheel.client import RemotePlatform

    if not isinstance(opened, RemotePlatform):
        ended = opened.pipelines.execute(begun.id)
        if ended is not None:
            return ended
    while (now := opened.pipelines.run(begun.id)).state not in _ENDED:
        time.sleep(_LOOK_EVERY_S)
    return now


def _told(run: PipelineRun) -> dict[str, object]:
    from dataclasses import asdict

    told = f": {run.error}" if run.error else f", result {run.result}" if run.result is not None else ""
    return {**asdict(run), "told": told}
