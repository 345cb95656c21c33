"""Numbers and instants as the page writes them: always with a unit, never with more digits than they deserve.

Pure; installed as Jinja filters by `render.py`. What is not known is an en dash.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

UNKNOWN = "–"
_MINUS = "−"
_INSTANT = re.compile(
    r"\b(?P<day>\d{4}-[01]\d-[0-3]\d)[ T](?P<time>[0-2]\d:[0-5]\d(?::[0-5]\d)?)(?:\.\d+)?(?P<zone> UTC|Z|\+00:00)"
)


def known(value: float | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def figure(value: float | None) -> str:
    """Three significant digits: ``1,240``, ``12.4``, ``0.0312``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size >= 100 or value == int(value):
        text = f"{value:,.0f}"
    elif size >= 1:
        text = f"{value:.2f}" if size < 10 else f"{value:.1f}"
    else:
        text = f"{value:.3g}"
    return text.replace("-", _MINUS)


def count(value: int) -> str:
    """A whole number with thousands: ``12,345``."""
    return f"{value:,}"


def opening(text: str) -> str:
    """A text as the beginning of a sentence; a model's own name stays as it is written."""
    return text[:1].upper() + text[1:] if text.startswith(("version ", "the ")) else text


def percent(value: float) -> str:
    """A part of a hundred: ``25 %``, ``99.9 %``."""
    return f"{value:.3g}\N{NO-BREAK SPACE}%"


def change(part: float | None) -> str:
    """A relative change with its sign: 0.031 is ``+3.1 %``."""
    if part is None or not math.isfinite(100 * part):
        return UNKNOWN
    sign = _MINUS if round(part, 4) < 0 else "+" if round(part, 4) > 0 else "±"
    return f"{sign}{abs(part) * 100:.{1 if abs(part) < 0.995 else 0}f}\N{NO-BREAK SPACE}%"


def milliseconds(value: float | None) -> str:
    """A duration in ms: ``0.82 ms``, ``14 ms``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"


def plain(value: float) -> str:
    """A number for an SVG attribute."""
    return f"{value:.6g}"


def iso(at: datetime) -> str:
    """An instant for the `datetime` attribute."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(at: datetime) -> str:
    """An instant as text for a reader without JavaScript."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def timed(text: str) -> Markup:
    """A text whose instants (``2026-03-04 09:10 UTC``) become `<time>`, so that each reader sees them in their zone."""
    parts, end = [], 0
    for match in _INSTANT.finditer(text):
        zone = "+00:00" if match["zone"].strip() in {"UTC", "Z"} else match["zone"]
        at = datetime.fromisoformat(f"{match['day']}T{match['time']}{zone}")
        parts += [escape(text[end : match.start()]), moment(at)]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def moment(at: datetime) -> Markup:
    """A `<time>` that `live.js` puts into the reader's zone, with UTC on hover."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at), utc(at), utc(at))


def measured(value: float) -> str:
    """A metric's value: five significant digits, and by name what is no number: ``0.48317``, ``1.2e-07``, ``NaN``."""
    if not math.isfinite(value):
        return "NaN" if value != value else "∞" if value > 0 else f"{_MINUS}∞"
    if value == int(value) and abs(value) < 1e7:
        return f"{value:,.0f}".replace("-", _MINUS)
    return f"{value:.5g}".replace("-", _MINUS)


def size(value: int) -> str:
    """Bytes in the unit that suits them: ``312 B``, ``4.2 kB``, ``1.8 GB``."""
    amount, unit = float(value), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.3g}\N{NO-BREAK SPACE}{unit}" if unit != "B" else f"{value}\N{NO-BREAK SPACE}B"
