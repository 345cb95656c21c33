"""`tidewheel costs`: what loops, runs and endpoints have cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_duration, parse_instant
from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import table

if TYPE_CHECKING:
    from tidewheel.costs import CostSummary


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "costs", show=_show)(costs)


Grouping = Literal["kind", "subject", "pipeline_run", "endpoint", "turn", "loop"]


def costs(
    opened: Opened,
    since: Annotated[str | None, typer.Option(help="An instant, or how far back, as in 7d.")] = None,
    by: Annotated[Grouping, typer.Option(help="What to sum by.")] = "subject",
) -> object:
    """What was spent, the dearest first."""
    return opened.costs.summary(_instant(since), None, by)


def _instant(since: str | None) -> datetime | None:
    if since is None:
        return None
    try:
        return datetime.now(UTC) - parse_duration(since)
    except InvalidInput:
        return parse_instant(since)


def _show(summary: CostSummary) -> None:
    table(f"key={summary.by}", "cost_usd", "quantities", empty="Nothing was spent yet.")(summary.lines)
    typer.echo(f"total  {summary.total_usd:,.4f} USD")
