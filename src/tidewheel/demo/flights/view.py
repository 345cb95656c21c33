"""The live terminal view of the replay: the month so far, the loop, and the journal as it grows."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tidewheel.app import Platform
from tidewheel.base.units import from_us
from tidewheel.demo.flights.hold import LOOP
from tidewheel.demo.flights.replay import Replay
from tidewheel.demo.flights.scoring import score
from tidewheel.demo.flights.timetable import local_month
from tidewheel.demo.flights.transport import ENDPOINT
from tidewheel.demo.http import Tally
from tidewheel.demo.panels import headline, journal_panel, loop_panel
from tidewheel.demo.timeline import Timeline
from tidewheel.supervisor import Addresses


class FlightsView:
    """Renders the present moment; `render` is called a few times a second."""

    def __init__(
        self, replay: Replay, platform: Platform, addresses: Addresses, tally: Tally, timeline: Timeline
    ) -> None:
        self._replay = replay
        self._platform = platform
        self._addresses = addresses
        self._tally = tally
        self._timeline = timeline
        self._months = local_month(replay.timetable.departs_us)

    def render(self) -> RenderableType:
        """The whole screen."""
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(self._flights(), loop_panel(self._platform, LOOP, ENDPOINT))
        self._timeline.catch_up()
        moment = f"{from_us(self._replay.now_us):%a %d %b %Y %H:%M} UTC"
        title = headline(moment, self._replay.chapter, self._addresses)
        return Group(title, grid, journal_panel(self._timeline.newest(12)))

    def _flights(self) -> RenderableType:
        replay = self._replay
        rows = Table.grid(padding=(0, 2))
        rows.add_row("flights answered", f"{replay.answered:,}")
        rows.add_row("requests", f"{self._tally.answered:,}", Text(f"{self._tally.failed} failed", style="dim"))
        month = local_month(np.array([replay.now_us]))[0]
        landed = replay.labelled & (self._months == month)
        so_far = score(replay.timetable.late[landed], replay.chance[landed])
        if so_far.flights:
            rows.add_row("this month, landed", f"{so_far.flights:,}", f"{so_far.late_share:.0%} late")
            rows.add_row("AUC", f"{so_far.auc:.3f}")
            rows.add_row("log-loss", f"{so_far.log_loss:.3f}")
        return Panel(rows, title="flights out of New York", box=box.ROUNDED)
