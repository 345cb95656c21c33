"""`tidewheel features …`: feature sets, their online values."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.base.units import parse_instant
from tidewheel.cli.command import Opened, assignments, command
from tidewheel.cli.output import print_grid, table

if TYPE_CHECKING:
    from tidewheel.features import FeatureValues


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(features, name="features")


features = typer.Typer(help="Features: definitions, online values.", no_args_is_help=True)
_SETS = table("name", "hash", "names", "entities", "request", "created_at", empty="No feature set yet.")


@command(features, "ls", show=_SETS)
def ls(opened: Opened) -> object:
    """Every feature set, as applied last."""
    return opened.features.ls()


@command(features, "show")
def show(opened: Opened, name: str) -> object:
    """One feature set as applied last."""
    return opened.features.show(name)


@command(features, "history", show=_SETS)
def history(opened: Opened, name: str) -> object:
    """Every definition that a feature set has had, the newest first."""
    return opened.features.history(name)


@command(features, "materialize", show=table("view", "commit", "at", "events", "entities", empty="Nothing to fill."))
def materialize(opened: Opened, name: str, until: str | None = None) -> object:
    """Fill the online values of a feature set from its datasets, as far as they are not filled yet."""
    return opened.features.materialize(name, _instant(until))


def _values(found: FeatureValues) -> None:
    print_grid(found.names, found.rows)


@command(features, "get", show=_values)
def get(
    opened: Opened,
    name: str,
    entity: Annotated[list[str], typer.Option("--entity", "-e", metavar="KEY=ID[,ID...]", help="As in zone=a,b.")],
    request: Annotated[list[str] | None, typer.Option("--request", "-r", metavar="NAME=VALUE[,...]")] = None,
    at: Annotated[str | None, typer.Option(help="As of this instant; default: now.")] = None,
) -> object:
    """The online features of entities, one row each."""
    entities = {key: str(ids).split(",") for key, ids in assignments(entity, raw=True).items()}
    given = {
        key: [_number(one) for one in str(values).split(",")]
        for key, values in assignments(request or [], raw=True).items()
    }
    return opened.features.get(name, entities, given or None, _instant(at))


def _instant(at: str | None) -> datetime | None:
    return parse_instant(at) if at else None


def _number(given: str) -> float | str | None:
    try:
        return float(given) if given else None
    except ValueError:
        return given
