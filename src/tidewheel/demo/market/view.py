"""The live terminal view of the market: what riders do, what the loop does, and the journal as it grows."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tidewheel.app import Platform
from tidewheel.demo.http import Tally
from tidewheel.demo.market.story import ENDPOINT, LOOP, Story
from tidewheel.demo.timeline import Line, Timeline
from tidewheel.monitoring import Reading, ReadingState
from tidewheel.supervisor import Addresses

_BLOCKS = "▁▂▃▄▅▆▇█"
_COLOURS = {"data": "cyan", "model": "blue", "rollout": "green", "drift": "yellow", "incident": "red"}


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
        grid.add_row(self._market(), self._loop())
        self._timeline.catch_up()
        return Group(self._headline(), grid, self._journal(self._timeline.newest(12)))

    def _headline(self) -> RenderableType:
        title = Text("Tidewheel", style="bold")
        title.append(f"  {self._story.driver.now:%a %d %b %H:%M}", style="cyan")
        title.append(f"  {self._story.told.chapter}", style="bold yellow")
        title.append(
            f"\nlive page {self._addresses.control_plane}   inference {self._addresses.inference}", style="dim"
        )
        return title

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

    def _loop(self) -> RenderableType:
        status = self._platform.loop.show(LOOP)
        rows = Table.grid(padding=(0, 2))
        rows.add_row("loop", Text(status.state.replace("_", " "), style="bold"))
        route = next((e.route for e in self._platform.serving.endpoints() if e.name == ENDPOINT), None)
        if route is not None:
            numbers = {version: self._platform.registry.version(version).number for version in route.weights}
            split = Text()
            for version, weight in route.weights.items():
                split.append(f"v{numbers[version]} {weight:g} %  ", style="bold green" if weight >= 50 else "bold cyan")
            for shadow in route.shadows:
                split.append(f"v{self._platform.registry.version(shadow).number} shadow", style="dim")
            rows.add_row("traffic", split)
        for reading in self._platform.monitoring.report(ENDPOINT):
            rows.add_row(reading.monitor, _evidence(reading))
        return Panel(rows, title="the loop", box=box.ROUNDED)

    def _journal(self, lines: Iterable[Line]) -> RenderableType:
        rows = Table.grid(padding=(0, 2))
        for line in lines:
            rows.add_row(Text(f"{line.at:%d %b %H:%M}", style="dim"), Text(line.sentence, style=_COLOURS[line.lane]))
        return Panel(rows, title="what happened, and why", box=box.ROUNDED)


def sparkline(values: Iterable[float]) -> str:
    """Values as a line of block characters, from the least to the greatest."""
    numbers = list(values)
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    return "".join(_BLOCKS[round((value - low) / span * (len(_BLOCKS) - 1))] for value in numbers)


def _evidence(reading: Reading) -> RenderableType:
    if reading.state is ReadingState.LEARNING:
        return Text(reading.summary, style="dim")
    share = min(max(reading.log_evidence, 0.0) / (reading.log_threshold or 1.0), 1.0)
    bar = ProgressBar(total=1.0, completed=share, width=18, complete_style="yellow", finished_style="bold red")
    said = Text(
        " alarm" if reading.state is ReadingState.ALARM else f" {share:.0%} of the evidence it takes", style="dim"
    )
    row = Table.grid()
    row.add_row(bar, said)
    return row
