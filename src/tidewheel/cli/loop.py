"""`tidewheel loop …`: how the loops stand, and the hand brake."""

from __future__ import annotations

import typer

from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import line, table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(loop, name="loop")


loop = typer.Typer(help="The loop: watching, training, judging, rolling out.", no_args_is_help=True)


@command(loop, "ls", show=table("name", "endpoint", "state", "champion", "trained_at", "turns", empty="No loop yet."))
def ls(opened: Opened) -> object:
    """Every loop and how it stands."""
    return opened.loop.ls()


@command(loop, "show")
def show(opened: Opened, name: str) -> object:
    """One loop, with the turn under way."""
    return opened.loop.show(name)


@command(
    loop, "history", show=table("id", "state", "started_at", "ended_at", "reason", "outcome", empty="No turn yet.")
)
def history(opened: Opened, name: str, limit: int = 50) -> object:
    """The turns of a loop, newest first."""
    return opened.loop.history(name, limit)


@command(loop, "pause", show=line("{name} is paused: no turn begins, and the one under way is held."))
def pause(opened: Opened, name: str) -> object:
    """Begin no more turns, and hold the one under way."""
    return opened.loop.pause(name)


@command(loop, "resume", show=line("{name} goes on: {state}."))
def resume(opened: Opened, name: str) -> object:
    """Let a paused loop go on."""
    return opened.loop.resume(name)


@command(loop, "trigger", show=line("Turn {id} of {loop} has begun."))
def trigger(opened: Opened, name: str, reason: str = "asked for by hand") -> object:
    """Begin a turn now."""
    return opened.loop.trigger(name, reason)


@command(loop, "cancel", show=line("Turn {id} is cancelled."))
def cancel(opened: Opened, name: str, reason: str = "cancelled by hand") -> object:
    """Stop the turn under way."""
    return opened.loop.cancel(name, reason)
