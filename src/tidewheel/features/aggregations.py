"""What a view computes of an entity's events: `count`, `sum`, `mean`, `min`, `max`, `std` over a window, and `last`.

At an instant t a windowed aggregation covers the events with ``T - window <= time < T``, where T is t rounded down to
the view's `every`; `last` takes the newest event with ``time < t`` (and ``t - time <= ttl``). So no row sees its own
event or a later one. Values that are missing or not finite are passed over. The count and sum of nothing are 0, all
else is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tidewheel.base.units import parse_duration

Kind = Literal["count", "sum", "mean", "min", "max", "std", "last"]
Window = str | timedelta


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One feature of a view: what is done to which column over which window (None for `last`)."""

    kind: Kind
    column: str | None
    window_us: int | None

    def definition(self) -> list[str | int | None]:
        """What the definition hash is taken of."""
        return [self.kind, self.column, self.window_us]


def count(window: Window) -> Aggregation:
    """The number of events: ``count("15m")``."""
    return Aggregation("count", None, _us(window))


def total(column: str, window: Window) -> Aggregation:
    """The sum of a column, as ``tw.sum("fare", "1h")``."""
    return Aggregation("sum", column, _us(window))


def mean(column: str, window: Window) -> Aggregation:
    """The mean of a column: ``mean("wait_s", "1h")``."""
    return Aggregation("mean", column, _us(window))


def minimum(column: str, window: Window) -> Aggregation:
    """The least value of a column, as ``tw.min("fare", "1h")``."""
    return Aggregation("min", column, _us(window))


def maximum(column: str, window: Window) -> Aggregation:
    """The greatest value of a column, as ``tw.max("fare", "1h")``."""
    return Aggregation("max", column, _us(window))


def std(column: str, window: Window) -> Aggregation:
    """The sample standard deviation of a column (NaN below two values).

    It is kept as sums of squares: about 16 digits less twice those by which the mean exceeds the deviation are right.
    """
    return Aggregation("std", column, _us(window))


def last(column: str) -> Aggregation:
    """The newest value of a column, no older than the view's `ttl`: ``last("wind_speed")``."""
    return Aggregation("last", column, None)


def _us(window: Window) -> int:
    return parse_duration(window) // timedelta(microseconds=1)
