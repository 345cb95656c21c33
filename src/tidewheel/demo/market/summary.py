"""The end of the story in figures: timeline, before and after, how long it took, what was lost, what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tidewheel.app import Platform
from tidewheel.base.units import format_duration
from tidewheel.demo.http import Tally
from tidewheel.demo.live import program
from tidewheel.demo.market.story import Told
from tidewheel.demo.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that the demonstration says at its end. Times marked `wall_` are seconds of the machine's."""

    shift_at: datetime | None
    alerts: int
    turns: int
    first_alert_at: datetime | None
    promoted_at: datetime | None
    wall_alert_to_promotion_s: float | None
    wall_total_s: float
    value_before: float | None
    value_after: float | None
    gain: float | None
    compared_quotes: int
    bad_candidate: str | None
    bad_candidate_reason: str | None
    requests: int
    lost: int
    first_loss: str
    median_latency_ms: float | None
    cost_usd: float
    decisions: tuple[dict[str, Any], ...]
    turn_id: str | None
    promoted_version: str | None

    def as_expected(self, *, shift: bool) -> bool:
        """Whether the story came to its proper end; without a shift, that nothing happened."""
        if self.lost:
            return False
        if not shift:
            return self.alerts == 0 and self.turns == 1
        return self.promoted_at is not None and (self.gain or 0) > 0 and self.bad_candidate == "rolled_back"

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values."""
        return asdict(self)


def summarise(platform: Platform, told: Told, tally: Tally, timeline: Timeline, wall_total_s: float) -> Summary:
    """Gather the figures from the platform's own records."""
    timeline.catch_up()
    alerts = [line for line in timeline.lines if line.kind == "monitoring.alert.raised"]
    ends = [line for line in timeline.lines if line.kind == "loop.turn.ended"]
    ended = ends[1] if told.promoted and len(ends) > 1 else None  # the first turn made the first champion
    rollouts = [told.turn.rollout_id] if told.turn and told.turn.rollout_id else []
    rollouts += [told.bad_rollout.id] if told.bad_rollout else []
    return Summary(
        shift_at=told.shift_at,
        alerts=len(alerts),
        turns=platform.loop.show("surge").turns,
        first_alert_at=alerts[0].at if alerts else None,
        promoted_at=ended.at if ended else None,
        wall_alert_to_promotion_s=(ended.recorded_at - alerts[0].recorded_at).total_seconds()
        if ended and alerts
        else None,
        wall_total_s=wall_total_s,
        value_before=told.comparison.value_before if told.comparison else None,
        value_after=told.comparison.value_after if told.comparison else None,
        gain=told.comparison.gain if told.comparison else None,
        compared_quotes=told.comparison.quotes if told.comparison else 0,
        bad_candidate=told.bad_rollout.state.value if told.bad_rollout else None,
        bad_candidate_reason=told.bad_rollout.reason if told.bad_rollout else None,
        requests=tally.sent,
        lost=tally.failed,
        first_loss=tally.first_failure,
        median_latency_ms=median(tally.latencies_ms) if tally.latencies_ms else None,
        cost_usd=platform.costs.summary().total_usd,
        decisions=tuple(
            {"stage": decision.stage_name, "move": decision.move.value, "reason": decision.reason, "at": decision.at}
            for rollout_id in rollouts
            for decision in platform.rollout.decisions(rollout_id)
        ),
        turn_id=told.turn.id if told.turn else None,
        promoted_version=told.turn.candidate if told.turn and told.promoted else None,
    )


def print_summary(console: Console, summary: Summary, timeline: Timeline, home: str) -> None:
    """The summary for people."""
    console.rule("[bold]what happened")
    for line in timeline.lines:
        console.print(f"[dim]{line.at:%a %d %b %H:%M}[/]  {line.sentence}", highlight=False)
    console.rule("[bold]in figures")
    rows = Table.grid(padding=(0, 3))
    for name, value in _figures(summary):
        rows.add_row(name, f"[bold]{value}[/]")
    console.print(rows)
    console.rule("[bold]look deeper")
    commands = ["audit log", "audit verify", "loop history surge"]
    if summary.promoted_version:
        commands.append(f"lineage version:{summary.promoted_version}")
    for command in commands:
        console.print(f"  {program()} {command} --home {home}", highlight=False, soft_wrap=True)


def _figures(summary: Summary) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if summary.value_before is not None and summary.value_after is not None and summary.gain is not None:
        found.append(
            (
                f"value per quote, the same {summary.compared_quotes:,} quotes",
                f"{summary.value_before:.2f} before, {summary.value_after:.2f} after ({summary.gain:+.1%})",
            )
        )
    if summary.shift_at and summary.first_alert_at:
        found.append(
            (
                "from the shift to the first alert",
                f"{format_duration(summary.first_alert_at - summary.shift_at)} simulated",
            )
        )
    if summary.first_alert_at and summary.promoted_at and summary.wall_alert_to_promotion_s is not None:
        simulated = format_duration(summary.promoted_at - summary.first_alert_at)
        took = format_duration(summary.wall_alert_to_promotion_s)
        found.append(("from the alert to the promotion", f"{simulated} simulated, {took} on this machine"))
    if summary.bad_candidate:
        found.append(
            ("the bad candidate", f"{summary.bad_candidate.replace('_', ' ')}: {summary.bad_candidate_reason}")
        )
    found.append(("alerts, turns of the loop", f"{summary.alerts}, {summary.turns}"))
    lost = f"{summary.lost} ({summary.first_loss})" if summary.lost else "0"
    found.append(("requests, lost", f"{summary.requests:,}, {lost}"))
    if summary.median_latency_ms is not None:
        found.append(("answer, median under this load", f"{summary.median_latency_ms:.1f} ms"))
    found.append(("cost of it all, by the meter", f"${summary.cost_usd:.4f}"))
    found.append(("told in", format_duration(summary.wall_total_s)))
    return found
