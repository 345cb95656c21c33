"""Parallel coordinates as SVG: one upright axis for each param and metric, one line for each run. Pure.

The tables of the page say the same in figures, for who cannot see it; the lines stand still without JavaScript.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tidewheel.server.pages.figures import measured, plain

_HIGH, _TOP, _SIDE, _GAP = 240.0, 48.0, 70.0, 150.0
CURVES = 6


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity over the runs: where each stands between 0 (bottom) and 1, and what is written at which height."""

    name: str
    places: tuple[float | None, ...]
    texts: tuple[str, ...]
    marks: tuple[tuple[float, str], ...]

    @classmethod
    def of(cls, name: str, values: Sequence[str | None]) -> Axis:
        """Numbers by size, anything else by name, evenly spaced."""
        texts = tuple("–" if value is None else value for value in values)
        numbers = [_number(value) for value in values]
        if all(number is not None or value is None for number, value in zip(numbers, values, strict=True)):
            known = [number for number in numbers if number is not None]
            low, high = min(known), max(known)
            reach = (high - low) or 1.0
            places = tuple(None if number is None else (number - low) / reach for number in numbers)
            return cls(name, places, texts, ((0.0, measured(low)), (1.0, measured(high))))
        names = sorted({value for value in values if value is not None})
        at = {value: i / max(1, len(names) - 1) for i, value in enumerate(names)}
        places = tuple(None if value is None else at[value] for value in values)
        return cls(name, places, texts, tuple((at[value], value) for value in names[:12]))


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def parallel(names: Sequence[str], axes: Sequence[Axis]) -> Markup:
    """The drawing; nothing where there are fewer than two axes."""
    if len(axes) < 2:
        return Markup("")
    width = 2 * _SIDE + _GAP * (len(axes) - 1)
    uprights = Markup("").join(_upright(axis, _SIDE + _GAP * i) for i, axis in enumerate(axes))
    lines = Markup("").join(_line(name, run, axes) for run, name in enumerate(names))
    return Markup(
        '<svg class="parallel" viewBox="0 0 {} {}" width="{}" role="img" '
        'aria-label="Parallel coordinates of {} runs over {}; the tables say the same in figures">{}{}</svg>'
    ).format(
        plain(width),
        plain(_HIGH + _TOP + 26),
        plain(width),
        len(names),
        ", ".join(axis.name for axis in axes),
        lines,
        uprights,
    )


def _upright(axis: Axis, x: float) -> Markup:
    marks = Markup("").join(_mark(_short(text, 14), x, at) for at, text in axis.marks)
    return Markup(
        '<line class="upright" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="axis-name" x="{}" y="16">{}</text>{}'
    ).format(plain(x), plain(x), plain(_TOP), plain(_TOP + _HIGH), plain(x), _short(axis.name, 20), marks)


def _mark(text: str, x: float, at: float) -> Markup:
    """What is written at a height: beyond the ends of the axis, where no line runs, or on a plate in between."""
    if at in (0.0, 1.0):
        y = _y(at) + (17 if at == 0.0 else -7)
        return Markup('<text class="tick-text middle" x="{}" y="{}">{}</text>').format(plain(x), plain(y), text)
    wide = 7.0 * len(text) + 8
    return Markup(
        '<rect class="plate" x="{}" y="{}" width="{}" height="16" rx="3"/>'
        '<text class="tick-text" x="{}" y="{}">{}</text>'
    ).format(plain(x + 5), plain(_y(at) - 8), plain(wide), plain(x + 9), plain(_y(at) + 4), text)


def _line(name: str, run: int, axes: Sequence[Axis]) -> Markup:
    places = [(_SIDE + _GAP * i, axis.places[run]) for i, axis in enumerate(axes)]
    points = " ".join(f"{plain(x)},{plain(_y(at))}" for x, at in places if at is not None)
    told = ", ".join(f"{axis.name} {axis.texts[run]}" for axis in axes)
    return Markup('<polyline class="run curve-{} dash-{}" points="{}"><title>{}: {}</title></polyline>').format(
        run % CURVES + 1, run // CURVES + 1, points, name, told
    )


def _y(at: float) -> float:
    return _TOP + _HIGH * (1 - at)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
