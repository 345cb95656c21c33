"""`tidewheel rollouts …`: walks from shadow to champion, and why each step was taken."""

from __future__ import annotations

import typer

from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import line, table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(rollouts, name="rollouts")


rollouts = typer.Typer(help="Rollouts: shadow, canary, promoted or rolled back, and why.", no_args_is_help=True)


@command(
    rollouts,
    "ls",
    show=table("id", "endpoint", "candidate_version", "state", "started_at", "reason", empty="No rollout."),
)
def ls(opened: Opened, endpoint: str | None = None, limit: int = 20) -> object:
    """Rollouts, newest first."""
    return opened.rollout.ls(endpoint, limit)


@command(rollouts, "show")
def show(opened: Opened, rollout_id: str) -> object:
    """One rollout, and what the judge says of it now."""
    return {"rollout": opened.rollout.get(rollout_id), "outlook": opened.rollout.outlook(rollout_id)}


@command(rollouts, "why", show=table("at", "move", "stage_name=stage", "actor", "reason", empty="Nothing decided yet."))
def why(opened: Opened, rollout_id: str) -> object:
    """Every decision about a rollout; `--json` has the evidence of each."""
    return opened.rollout.decisions(rollout_id)


@command(rollouts, "abort", show=line("{id}: {state}. {reason}"))
def abort(opened: Opened, rollout_id: str, reason: str = "Stopped by hand.") -> object:
    """Stop a running rollout; the champion gets all the traffic again."""
    return opened.rollout.abort(rollout_id, reason)
