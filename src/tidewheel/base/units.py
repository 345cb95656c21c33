"""Durations, sizes and instants as people write them: ``"15m"``, ``"1d12h"``, ``"64MiB"``, ``"2013-01-31T06:00:00Z"``.

Pure. Every name that carries one of these in code says its unit (`window_s`, `size_bytes`, `*_at` = UTC).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tidewheel.base.errors import InvalidInput

_DURATION_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_BYTES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_duration(text: str | timedelta) -> timedelta:
    """``"90s"``, ``"15m"``, ``"1h30m"``, ``"7d"`` as a timedelta.

    Raises:
        InvalidInput: if the text is not a positive run of number-unit pairs (units ms, s, m, h, d, w).
    """
    if isinstance(text, timedelta):
        return text
    matches = list(_DURATION_PART.finditer(text))
    total_ms = sum(float(m[1]) * _DURATION_MS[m[2]] for m in matches)
    if "".join(m[0] for m in matches) != text or total_ms <= 0:
        raise InvalidInput(f"{text!r} is not a duration.", fix="Write for example '30s', '15m', '1h30m' or '7d'.")
    try:
        return timedelta(milliseconds=total_ms)
    except OverflowError:
        raise InvalidInput(f"{text[:40]!r} is longer than any time there is.", fix="Write for example '90d'.") from None


def format_duration(span: timedelta | float) -> str:
    """The two largest units of a duration (seconds or timedelta): ``"2d 3h"``, ``"41s"``, ``"12ms"``."""
    total_ms = round((span.total_seconds() if isinstance(span, timedelta) else span) * 1000)
    if abs(total_ms) < 1000:
        return f"{total_ms}ms"
    sign, rest, parts = "-" if total_ms < 0 else "", abs(total_ms), []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _DURATION_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return sign + " ".join(parts[:2])


def parse_bytes(text: str | int) -> int:
    """``"64MiB"`` or ``"10GB"`` as a number of bytes.

    Raises:
        InvalidInput: if the text is not a number and one of B, KB, MB, GB, KiB, MiB, GiB.
    """
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?B|B)\s*", text)
    if not match:
        raise InvalidInput(f"{text!r} is not a size.", fix="Write for example '64MiB' or '10GB'.")
    return int(float(match[1]) * _BYTES[match[2]])


def parse_instant(text: str | datetime) -> datetime:
    """An ISO 8601 instant as an aware UTC datetime; a naive one is taken as UTC.

    Raises:
        InvalidInput: if the text is not ISO 8601.
    """
    try:
        at = text if isinstance(text, datetime) else datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: in UTC it lies outside the years 1 to 9999
        raise InvalidInput(f"{text!r} is not an instant.", fix="Write ISO 8601, as in 2026-01-31T06:00:00Z.") from None


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant; the form in which instants are stored."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """The aware UTC instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)
