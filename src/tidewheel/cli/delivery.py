"""`tidewheel delivery` and `tidewheel export …`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tidewheel.base.units import format_duration, parse_instant
from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import card

if TYPE_CHECKING:
    from tidewheel.delivery import DeliveryMetrics, Export, Spread


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "delivery", show=_show)(delivery)
    command(app, "export", show=_wrote, local_only=True, creates=True)(export)


ExportKind = Literal["docker", "grafana", "github-actions"]


def delivery(
    opened: Opened,
    since: Annotated[str | None, typer.Option(help="Only from this instant on.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only this endpoint.")] = None,
) -> object:
    """How well models are delivered: frequency, lead time, recovery time, failure rate."""
    return opened.delivery.metrics(_instant(since), None, endpoint)


def export(
    opened: Opened,
    kind: Annotated[ExportKind, typer.Argument(help="What to write.")],
    folder: Annotated[Path, typer.Argument(help="Where.")] = Path(),
) -> object:
    """Write the files that carry a project elsewhere."""
    return opened.delivery.export(kind, folder)


def _instant(since: str | None) -> datetime | None:
    return parse_instant(since) if since else None


def _show(found: DeliveryMetrics) -> None:
    rate = found.change_failure_rate
    card(
        {
            "promotions": f"{found.promotions} in {found.days:.1f} days ({found.promotions_per_day:.2f} a day)",
            "lead time": _spread(found.lead_time),
            "lead time from the data": _spread(found.data_lead_time),
            "change failure rate": "–" if rate is None else f"{rate:.0%} ({found.rolled_back} rolled back)",
            "time to recover": _spread(found.recovery_time),
            "open alerts": found.open_alerts,
        }
    )


def _spread(spread: Spread) -> str:
    if spread.median_s is None or spread.longest_s is None:
        return "–"
    return f"{format_duration(spread.median_s)} median, {format_duration(spread.longest_s)} longest, of {spread.count}"


def _wrote(found: Export) -> None:
    for name in found.files:
        typer.echo(f"{found.folder}/{name}")
