"""`tidewheel webhooks …`: addresses that are told of events of the registry."""

from __future__ import annotations

from typing import Annotated

import typer

from tidewheel.cli.command import Opened, Refused, command
from tidewheel.cli.output import line, table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(webhooks, name="webhooks")


webhooks = typer.Typer(help="Webhooks: tell other programs of registry events.", no_args_is_help=True)
_EVENT = typer.Option("--event", help="As in model_version.created; may be given several times.")
_SECRET = typer.Option("--secret", envvar="TIDEWHEEL_WEBHOOK_SECRET", help="Signs each delivery; never shown again.")


@command(webhooks, "ls", show=table("id", "name", "url", "events", "status", "tries", "last_error", empty="None yet."))
def ls(opened: Opened) -> object:
    """Every webhook, newest first."""
    return opened.webhooks.webhooks(1000).webhooks


@command(webhooks, "create", show=line("{id} is told of {events} from now on."))
def create(
    opened: Opened,
    name: str,
    address: str,
    event: Annotated[list[str], _EVENT],
    secret: Annotated[str | None, _SECRET] = None,
    description: str = "",
) -> object:
    """Have an address told of events of the registry."""
    return opened.webhooks.create(name, address, event, description, secret)


@command(webhooks, "test")
def try_out(opened: Opened, webhook_id: str, event: str | None = None) -> object:
    """Send an example and say how the receiver answered; exits with 1 if it did not take it."""
    found = opened.webhooks.test(webhook_id, event)
    if not found.success:
        raise Refused(found, exit_code=1)
    return found


@command(webhooks, "delete", show=typer.echo)
def delete(opened: Opened, webhook_id: str) -> object:
    """Forget a webhook."""
    opened.webhooks.delete(webhook_id)
    return f"{webhook_id} is deleted."
