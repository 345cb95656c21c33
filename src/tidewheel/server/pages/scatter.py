"""Two quantities of runs against each other as SVG: a point for each run that has both. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tidewheel.server.pages.figures import plain
from tidewheel.server.pages.parallel import CURVES, Axis

_WIDE, _HIGH, _LEFT, _TOP = 520.0, 240.0, 90.0, 12.0


def scatter(names: Sequence[str], x: Axis, y: Axis) -> Markup:
    """The drawing, with the ends of both axes written out."""
    points = Markup("").join(
        Markup('<circle class="run curve-{}" cx="{}" cy="{}" r="6"><title>{}: {} {}, {} {}</title></circle>').format(
            run % CURVES + 1, plain(_x(across)), plain(_y(up)), name, x.name, x.texts[run], y.name, y.texts[run]
        )
        for run, (name, across, up) in enumerate(zip(names, x.places, y.places, strict=True))
        if across is not None and up is not None
    )
    ticks = Markup("").join(
        Markup('<text class="tick-text middle" x="{}" y="{}">{}</text>').format(
            plain(_x(at)), plain(_HIGH + _TOP + 28), text
        )
        for at, text in x.marks
    ) + Markup("").join(
        Markup('<text class="tick-text end" x="{}" y="{}">{}</text>').format(plain(_LEFT - 12), plain(_y(at) + 4), text)
        for at, text in y.marks
    )
    return Markup(
        '<svg class="scatter" viewBox="0 0 640 {}" role="img" aria-label="{} against {} for {} runs">'
        '<path class="upright" d="M{} {}V{}H{}"/>{}{}<text class="axis-name middle" x="{}" y="{}">{}</text></svg>'
    ).format(
        plain(_HIGH + _TOP + 54), y.name, x.name, len(names), plain(_LEFT), plain(_TOP - 8), plain(_HIGH + _TOP + 10),
        plain(_LEFT + _WIDE + 20), ticks, points, plain(_LEFT + _WIDE / 2), plain(_HIGH + _TOP + 48), x.name,
    )  # fmt: skip


def _x(at: float) -> float:
    return _LEFT + 10 + _WIDE * at


def _y(at: float) -> float:
    return _TOP + _HIGH * (1 - at)
