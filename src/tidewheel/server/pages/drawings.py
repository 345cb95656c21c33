"""The page's small pictures as SVG: readable without JavaScript, sized in percent so that they fit any width.

Only presentation attributes and classes, since the content security policy allows no inline style. Every picture has a
text beside it that says the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from markupsafe import Markup

from tidewheel.server.pages.figures import change, figure, plain
from tidewheel.server.pages.view import Chart, ContestView, EventView, Lane, MonitorView

LANES: tuple[Lane, ...] = ("data", "model", "rollout", "drift", "incident")
_LANE_PX = 22
_THRESHOLD_AT = 80.0  # percent of the meter's width
_MARKS = 60


def interval(contest: ContestView) -> Markup:
    """The confidence interval on a line with zero and the margin on it."""
    if contest.low is None or contest.high is None or contest.estimate is None:
        return Markup("")
    reach = max(abs(contest.low), abs(contest.high), 2 * contest.margin, 1e-9) * 1.1

    def place(value: float) -> str:
        return plain(50 + 50 * max(-1.0, min(1.0, value / reach))) + "%"

    width = plain(50 * (contest.high - contest.low) / reach) + "%"
    return Markup(
        '<svg class="whisker" aria-hidden="true"><line class="axis" x1="0" x2="100%" y1="16" y2="16"/>'
        '<rect class="span" x="{}" width="{}" y="11" height="10" rx="5"/>'
        '<line class="margin" x1="{}" x2="{}" y1="4" y2="28"/><line class="zero" x1="50%" x2="50%" y1="2" y2="30"/>'
        '<circle class="point" cx="{}" cy="16" r="5"/>'
        '<text x="0" y="44">worse</text><text class="middle" x="50%" y="44">no difference</text>'
        '<text class="end" x="100%" y="44">better</text></svg>'
    ).format(place(contest.low), width, place(-contest.margin), place(-contest.margin), place(contest.estimate))


def evidence(monitor: MonitorView) -> Markup:
    """A meter of a monitor's evidence with its threshold marked, and the two numbers."""
    if monitor.evidence is None or not monitor.threshold:
        return Markup('<p class="measure">no evidence yet</p>')
    filled = max(0.0, min(100.0, monitor.evidence / monitor.threshold * _THRESHOLD_AT))
    return Markup(
        '<svg class="meter {}" aria-hidden="true"><rect class="track" width="100%" height="8" rx="4"/>'
        '<rect class="fill" width="{}%" height="8" rx="4"/>'
        '<line class="threshold" x1="{}%" x2="{}%" y1="-3" y2="11"/></svg>'
        '<p class="measure">evidence <b>{}</b> of <b>{}</b></p>'
    ).format(
        "firing" if monitor.firing else "",
        plain(filled),
        plain(_THRESHOLD_AT),
        plain(_THRESHOLD_AT),
        figure(monitor.evidence),
        figure(monitor.threshold),
    )


def effect_bar(effect: float, largest: float) -> Markup:
    """A bar as long as the effect is large."""
    width = 100 * min(1.0, effect / largest) if largest else 0.0
    return Markup(
        '<svg class="effect-bar" aria-hidden="true"><rect width="{}%" y="2" height="10" rx="2"/></svg>'
    ).format(plain(width))


def lanes(timeline: Sequence[EventView]) -> Markup:
    """The newest events on five parallel lines over time; the list below tells the same in words."""
    events = list(timeline)[:_MARKS]
    newest, oldest = events[0].at.timestamp(), events[-1].at.timestamp()
    span = max(newest - oldest, 1e-9)
    rows = Markup("").join(
        Markup('<line class="lane" x1="0" x2="100%" y1="{}" y2="{}"/>').format(y, y)
        for y in (_LANE_PX * row + _LANE_PX // 2 for row in range(len(LANES)))
    )
    marks = Markup("").join(_mark(event, 3 + 94 * (event.at.timestamp() - oldest) / span) for event in reversed(events))
    names = Markup("").join(Markup("<li>{}</li>").format(name) for name in LANES)
    return Markup('<div class="lanes" aria-hidden="true"><ul>{}</ul><svg height="{}">{}{}</svg></div>').format(
        names, _LANE_PX * len(LANES), rows, marks
    )


def _mark(event: EventView, x: float) -> Markup:
    y = _LANE_PX * LANES.index(event.lane) + _LANE_PX // 2
    return Markup('<svg x="{}%" y="{}" class="mark {} {}" overflow="visible"><use href="#mark-{}" {}/></svg>').format(
        plain(x), y, event.lane, event.outcome, event.lane, Markup('x="-8" y="-8" width="16" height="16"')
    )


def plot(chart: Chart | None, label: str) -> Markup:
    """Where `live.js` draws a chart; its last values stand in the text, so nothing is lost without it."""
    if chart is None or len(chart.x) < 2:
        return Markup("")
    points = {
        "x": chart.x,
        "time": chart.x_is_time,
        "unit": chart.unit,
        "rule": chart.rule,
        "curves": [
            {"label": curve.label, "y": curve.values, "low": curve.low or None, "high": curve.high or None}
            for curve in chart.curves
        ],
    }
    return Markup(
        '<figure class="plot"><figcaption>{}{}</figcaption>'
        '<div class="canvas" id="plot-{}" hx-preserve aria-hidden="true"></div>'
        '<div hidden data-plot="plot-{}" data-points="{}"></div></figure>'
    ).format(label, _rule(chart), chart.id, chart.id, json.dumps(points, separators=(",", ":")))


def _rule(chart: Chart) -> str:
    if chart.rule is None or not chart.rule_label:
        return ""
    level = change(chart.rule) if chart.unit == "part" else figure(chart.rule)
    return f"; the dashed line is {chart.rule_label} ({level})"
