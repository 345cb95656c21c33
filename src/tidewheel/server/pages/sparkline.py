"""A metric as a small SVG line drawn by the server: what a chart shows before, or without, JavaScript. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from tidewheel.server.pages.figures import measured, plain

if TYPE_CHECKING:
    from tidewheel.tracking.metric_series import Series

_WIDE, _HIGH = 300.0, 90.0


def sparkline(series: Series) -> Markup:
    """The line through a series, with its lowest and highest value said aloud."""
    if series.lowest is None or series.highest is None:
        return Markup('<p class="empty">no finite value</p>')
    steps = series.steps if series.steps[0] < series.steps[-1] else series.at_s
    first, span = steps[0], (steps[-1] - steps[0]) or 1.0
    low, reach = series.lowest, (series.highest - series.lowest) or 1.0
    places = [
        f"{plain(_WIDE * (x - first) / span)},{plain(_HIGH - _HIGH * (y - low) / reach)}"
        for x, y in zip(steps, series.values, strict=True)
    ]
    if len(places) == 1:
        places.append(f"{plain(_WIDE)},{places[0].split(',')[1]}")
    said = f"{series.key}: from {measured(series.values[0])} to {measured(series.values[-1])}, "
    said += f"between {measured(series.lowest)} and {measured(series.highest)}"
    return Markup(
        '<svg class="spark" viewBox="0 -4 300 98" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}" vector-effect="non-scaling-stroke"/></svg>'
    ).format(said, " ".join(places))
