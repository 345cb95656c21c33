"""What the monitors of an endpoint say: evidence beside threshold, over time, and which features moved most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidewheel.server.pages.view import Chart, Curve, MonitorView, ShiftView

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.monitoring import EvidencePoint, Reading

_POINTS = 240
_SHIFTS = 5
_WORDS = {"learning": "learning", "quiet": "quiet", "alarm": "alert"}


def monitor_views(platform: Platform, endpoint: str, readings: Sequence[Reading]) -> tuple[MonitorView, ...]:
    """Every monitor of an endpoint with the course of its evidence."""
    courses: dict[str, list[EvidencePoint]] = defaultdict(list)
    if readings:
        for point in platform.monitoring.evidence(endpoint):
            courses[point.monitor].append(point)
    return tuple(_monitor(reading, courses[reading.monitor]) for reading in readings)


def shift_views(readings: Sequence[Reading]) -> tuple[ShiftView, ...]:
    """The findings with the most evidence behind them, of all monitors that look at features."""
    findings = {finding.name: finding for reading in readings if reading.kind == "data" for finding in reading.findings}
    most = sorted(findings.values(), key=lambda finding: -finding.log_evidence)[:_SHIFTS]
    return tuple(
        ShiftView(feature=each.name, effect=each.effect, unit=each.unit, evidence=each.log_evidence) for each in most
    )


def _monitor(reading: Reading, course: Sequence[EvidencePoint]) -> MonitorView:
    newest = list(course)[-_POINTS:]
    return MonitorView(
        name=reading.monitor,
        firing=reading.state == "alarm",
        state=_WORDS.get(reading.state, reading.state),
        summary=reading.summary,
        evidence=reading.log_evidence if reading.log_threshold else None,
        threshold=reading.log_threshold or None,
        chart=Chart(
            id=reading.monitor,
            x=tuple(point.at.timestamp() for point in newest),
            curves=(Curve(reading.monitor, tuple(point.log_evidence for point in newest)),),
            x_is_time=True,
        ),
    )
