"""Panels that the demonstrations' terminal views share: how a loop stands, and what the journal says happened."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tidewheel.app import Platform
from tidewheel.demo.timeline import Line
from tidewheel.monitoring import Reading, ReadingState
from tidewheel.supervisor import Addresses

_BLOCKS = "▁▂▃▄▅▆▇█"
_COLOURS = {"data": "cyan", "model": "blue", "rollout": "green", "drift": "yellow", "incident": "red"}


def headline(moment: str, chapter: str, addresses: Addresses) -> RenderableType:
    """The simulated moment, what is going on, and where the install answers."""
    title = Text("Tidewheel", style="bold")
    title.append(f"  {moment}", style="cyan")
    title.append(f"  {chapter}", style="bold yellow")
    title.append(f"\nlive page {addresses.control_plane}   inference {addresses.inference}", style="dim")
    return title


def loop_panel(platform: Platform, loop: str, endpoint: str) -> RenderableType:
    """The loop's state, the traffic's split, and each monitor's evidence."""
    rows = Table.grid(padding=(0, 2))
    state = next((status.state for status in platform.loop.ls() if status.name == loop), "not declared yet")
    rows.add_row("loop", Text(state.replace("_", " "), style="bold"))
    route = next((e.route for e in platform.serving.endpoints() if e.name == endpoint), None)
    if route is not None:
        numbers = {version: platform.registry.version(version).number for version in route.weights}
        split = Text()
        for version, weight in route.weights.items():
            split.append(f"v{numbers[version]} {weight:g} %  ", style="bold green" if weight >= 50 else "bold cyan")
        for shadow in route.shadows:
            split.append(f"v{platform.registry.version(shadow).number} shadow", style="dim")
        rows.add_row("traffic", split)
    for reading in platform.monitoring.report(endpoint):
        rows.add_row(reading.monitor, _evidence(reading))
    return Panel(rows, title="the loop", box=box.ROUNDED)


def journal_panel(lines: Iterable[Line]) -> RenderableType:
    """Sentences of the timeline."""
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
