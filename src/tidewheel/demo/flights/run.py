"""`tidewheel demo flights`: the year on a fresh install, with a live view, and a table at the end."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from tidewheel.base.settings import Settings
from tidewheel.demo.flights.comparison import compare, training_rows
from tidewheel.demo.flights.hold import Hold
from tidewheel.demo.flights.replay import Replay
from tidewheel.demo.flights.report import Report, print_report
from tidewheel.demo.flights.schedules import FIRST_TRAINING_AFTER
from tidewheel.demo.flights.source import load_year
from tidewheel.demo.flights.timetable import YEAR_ENDS_AT, YEAR_STARTS_AT, Timetable
from tidewheel.demo.flights.transport import HttpTransport
from tidewheel.demo.flights.view import FlightsView
from tidewheel.demo.http import Connections
from tidewheel.demo.install import Install, fresh_install
from tidewheel.demo.live import as_typed, follow
from tidewheel.demo.timeline import Timeline

PROJECT: Final = Path(__file__).parent / "project.py"
STARTS_AT: Final = YEAR_STARTS_AT + FIRST_TRAINING_AFTER
LIVE_DAYS: Final = (YEAR_ENDS_AT - STARTS_AT).days

REPLAY_SETTINGS: Final = {
    "controller.tick_ms": 50,  # days pass in a second: an hour between two rounds is still short
    "monitoring.sketch_s": 3600,  # traffic is counted by the hour
    "serving.workers": 1,  # the replay asks one thing after the other
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightsOptions:
    """What `tidewheel demo flights` was asked for. `days` are replayed after the eight weeks of the first model."""

    home: Path
    settings: Settings
    days: int = LIVE_DAYS
    as_json: bool = False


def run_flights(options: FlightsOptions, console: Console) -> Report:
    """Replay the flights; print and return what came of it."""
    began = time.monotonic()
    timetable = Timetable(load_year())
    with fresh_install(options.home, PROJECT, STARTS_AT, options.settings) as install:
        for sentence in install.supervisor.moved_ports:
            console.print(f"[yellow]{sentence}[/]")
        report = uvloop.run(_replay(options, timetable, install, console, began))
    if options.as_json:
        print(json.dumps(report.to_dict(), default=str, indent=2))
    else:
        print_report(console, report, as_typed(options.home))
    return report


async def _replay(
    options: FlightsOptions, timetable: Timetable, install: Install, console: Console, began: float
) -> Report:
    connections = Connections(install.addresses.inference)
    transport = HttpTransport(connections, install.platform, timetable)
    until = STARTS_AT + timedelta(days=min(options.days, LIVE_DAYS))
    replay = Replay(timetable, transport, install.clock, Hold(install.platform), STARTS_AT, until)
    timeline = Timeline(install.platform.metadata)
    view = FlightsView(replay, install.platform, install.addresses, connections.tally, timeline)
    telling = asyncio.create_task(_tell(replay, install, timeline, connections, began))
    try:
        await follow(telling, view.render, install, timeline, console, quiet=options.as_json)
        return await telling
    finally:
        telling.cancel()
        await connections.close()


async def _tell(replay: Replay, install: Install, timeline: Timeline, connections: Connections, began: float) -> Report:
    await replay.run()
    wall_replay_s = time.monotonic() - began
    replay.chapter = "the two other policies are trained and scored"
    rows = training_rows(replay.until)
    comparison = await asyncio.to_thread(compare, install.platform, replay, rows)
    timeline.catch_up()
    tally = connections.tally
    return Report(
        comparison=comparison,
        decisions=tuple(timeline.lines),
        flights=replay.answered,
        labels=int(replay.labelled.sum()),
        requests=tally.sent,
        lost=tally.failed,
        first_loss=tally.first_failure,
        wall_replay_s=wall_replay_s,
        wall_held_s=replay.hold.held_s,
        wall_total_s=time.monotonic() - began,
    )
