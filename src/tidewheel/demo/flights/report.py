"""The end of the replay in figures: the table by month, the loop's decisions and why, what was lost, what it took."""

from __future__ import annotations

import math
from calendar import month_abbr
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tidewheel.base.units import format_duration
from tidewheel.demo.flights.comparison import POLICIES, Comparison
from tidewheel.demo.flights.scoring import Score
from tidewheel.demo.timeline import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the demonstration says at its end. Times marked `wall_` are seconds of the machine's."""

    comparison: Comparison
    decisions: tuple[Line, ...]
    flights: int
    labels: int
    requests: int
    lost: int
    first_loss: str
    wall_replay_s: float
    wall_held_s: float
    wall_total_s: float

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; a number that does not exist is null."""
        found: dict[str, Any] = _jsonable(asdict(self))
        return found


def print_report(console: Console, report: Report, home: str) -> None:
    """The report for people."""
    console.rule("[bold]what the loop decided, and why")
    for line in report.decisions:
        console.print(f"[dim]{line.at:%d %b %H:%M}[/]  {line.sentence}", highlight=False)
    console.rule("[bold]flights out of New York, 2013: late by more than 15 minutes?")
    console.print(_table(report.comparison))
    console.print(
        "All three begin with eight weeks. `never` and `4-weekly` learn from every flight that has landed; each "
        "of the loop's candidates leaves the newest days to its gate.",
        style="dim",
        highlight=False,
    )
    console.rule("[bold]in figures")
    figures = Table.grid(padding=(0, 3))
    for name, value in _figures(report):
        figures.add_row(name, f"[bold]{value}[/]")
    console.print(figures)
    console.rule("[bold]look deeper")
    console.print(f"  tidewheel loop history late --home {home}")
    console.print(f"  tidewheel audit log --home {home}")
    console.print(f"  tidewheel audit verify --home {home}")


def _table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fits 80 columns
    table.add_column("month")
    table.add_column("landed", justify="right")
    table.add_column("late", justify="right")
    for measure in ("AUC", "log-loss"):
        for place, policy in enumerate(POLICIES):
            table.add_column(f"{'' if place else measure}\n{policy}", justify="right")
    for month, scores in comparison.by_month.items():
        table.add_row(month_abbr[month], *_cells(scores))
    table.add_section()
    table.add_row("all", *_cells(comparison.overall), style="bold")
    retrained = [_retrained(comparison, policy) for policy in POLICIES]
    table.add_row("retrained", "", "", *retrained, *[""] * len(POLICIES))
    return table


def _cells(scores: dict[str, Score]) -> list[str]:
    first = scores[POLICIES[0]]
    aucs = [f"{scores[policy].auc:.3f}" for policy in POLICIES]
    losses = [f"{scores[policy].log_loss:.4f}" for policy in POLICIES]
    return [f"{first.flights:,}", f"{first.late_share:.0%}", *aucs, *losses]


def _retrained(comparison: Comparison, policy: str) -> str:
    found = comparison.trainings[policy]
    return str(found.attempted) if found.attempted == found.promoted else f"{found.promoted} of {found.attempted}"


def _figures(report: Report) -> list[tuple[str, str]]:
    loop = report.comparison.trainings["loop"]
    lost = f"{report.lost} ({report.first_loss})" if report.lost else "0"
    return [
        ("retrainings of the loop, promoted", f"{loop.attempted}, {loop.promoted}"),
        ("flights asked about, labelled", f"{report.flights:,}, {report.labels:,}"),
        ("never landed, never labelled", f"{report.comparison.unlabelled:,}"),
        ("requests, lost", f"{report.requests:,}, {lost}"),
        ("replayed in", f"{format_duration(report.wall_replay_s)}, {format_duration(report.wall_held_s)} of it held"),
        ("all of it in", format_duration(report.wall_total_s)),
    ]


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _jsonable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
