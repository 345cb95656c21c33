"""`tidewheel demo` (the market) and `tidewheel demo flights`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.command import answering
from tidewheel.cli.up import start_settings

_HOME = Path(".tidewheel-demo")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="The ride-hailing loop, live, from nothing to a promoted retrained model.")
    group.callback(invoke_without_command=True)(demo)
    group.command("flights")(flights)
    app.add_typer(group, name="demo")


def demo(
    context: typer.Context,
    fast: Annotated[bool, typer.Option("--fast", help="The short telling: under 45 s.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the live page.")] = False,
    no_shift: Annotated[
        bool, typer.Option("--no-shift", help="No competitor launches: nothing should happen.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Go on running at the end, until ^C.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another market.")] = 7,
    home: Annotated[Path, typer.Option("--home", help="Folder of the demo's install; emptied at the start.")] = _HOME,
    port: Annotated[int | None, typer.Option("--port", help="Port of the live page; inference uses the next.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """The ride-hailing loop, live, from nothing to a promoted retrained model."""
    if context.invoked_subcommand is not None:
        return
    with answering(as_json):
        from rich.console import Console

        from tidewheel.demo.market.run import MarketOptions, run_market

        options = MarketOptions(
            home=home.absolute(),
            settings=start_settings(port, None),
            fast=fast,
            shift=not no_shift,
            seed=seed,
            browser=not no_browser and not as_json and _has_display(),
            keep=keep,
            as_json=as_json,
        )
        summary = run_market(options, Console(stderr=as_json))
        if not summary.as_expected(shift=not no_shift):
            raise typer.Exit(1)


def flights(
    home: Annotated[Path, typer.Option("--home", help="Folder of the demo's install; emptied at the start.")] = Path(
        ".tidewheel-demo-flights"
    ),
    port: Annotated[int | None, typer.Option("--port", help="Port of the live page; inference uses the next.")] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, help="Days to replay, after the eight weeks that the first model learns.")
    ] = 309,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """The same loop on real data: every flight out of New York in 2013, replayed in event time."""
    with answering(as_json):
        from rich.console import Console

        from tidewheel.demo.flights.run import REPLAY_SETTINGS, FlightsOptions, run_flights

        settings = start_settings(port, None, REPLAY_SETTINGS)
        options = FlightsOptions(home=home.absolute(), settings=settings, days=days, as_json=as_json)
        run_flights(options, Console(stderr=as_json))


def _has_display() -> bool:
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
