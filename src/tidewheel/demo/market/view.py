"""The live terminal view of the market: what riders do, what the loop does, and the journal as it grows."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tidewheel.app import Platform
from tidewheel.demo.http import Tally
from tidewheel.demo.market.story import ENDPOINT, LOOP, Story
from tidewheel.demo.panels import headline, journal_panel, loop_panel, sparkline
from tidewheel.demo.timeline import Timeline
from tidewheel.supervisor import Addresses


class MarketView:
    """Renders the present moment; `render` is called a few times a second."""

    def __init__(
        self, story: Story, platform: Platform, addresses: Addresses, tally: Tally, timeline: Timeline
    ) -> None:
        self._story = story
        self._platform = platform
        self._addresses = addresses
        self._tally = tally
        self._timeline = timeline

    def render(self) -> RenderableType:
        """The whole screen."""
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(self._market(), loop_panel(self._platform, LOOP, ENDPOINT))
        self._timeline.catch_up()
        moment = f"{self._story.driver.now:%a %d %b %H:%M}"
        title = headline(moment, self._story.told.chapter, self._addresses)
        return Group(title, grid, journal_panel(self._timeline.newest(12)))

    def _market(self) -> RenderableType:
        hours = self._story.driver.hours
        whole = list(hours)[-25:-1]
        rows = Table.grid(padding=(0, 2))
        rows.add_row("quotes answered", f"{self._tally.answered:,}", Text(f"{self._tally.failed} failed", style="dim"))
        if whole:
            rates = [hour.accepted / hour.quotes for hour in whole]
            values = [hour.value / hour.quotes for hour in whole]
            rows.add_row("accepted", f"{rates[-1]:.0%}", Text(sparkline(rates), style="magenta"))
            rows.add_row("value per quote", f"{values[-1]:.2f}", Text(sparkline(values), style="green"))
        latencies = sorted(self._tally.latencies_ms)
        if latencies:
            rows.add_row(
                "answer, median", f"{latencies[len(latencies) // 2]:.1f} ms", Text("with queueing", style="dim")
            )
        return Panel(rows, title="the market, last 24 h", box=box.ROUNDED)
