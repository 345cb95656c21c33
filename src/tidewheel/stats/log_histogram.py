"""A mergeable histogram with log-spaced bins: any quantile of a positive quantity within a stated relative error.

Workers keep one per (endpoint, version, minute) for latency; the controller merges them. Called by serving's metrics,
by monitors and by `quantiles`. It must never lose an observation: what lies outside the range is counted in the first
or last bin.

Bin i holds (min_value g^(i-1), min_value g^i] with g = (1 + e) / (1 - e); the value reported for a bin is within the
relative error e of everything in it. Effect of `relative_error`: 0.01 over [0.001, 1e7] takes 1,154 bins (9 kB in
memory, only the filled ones when stored). Merging is exact: the same bins, counts added.

Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019.

>>> import numpy as np
>>> latencies_ms = LogHistogram()
>>> latencies_ms.add(np.arange(1.0, 1001.0))
>>> round(latencies_ms.quantile(0.99))
995
>>> latencies_ms.n, int(latencies_ms.count_above(500.0)), latencies_ms.max
(1000, 491, 1000.0)
>>> LogHistogram.from_dict(latencies_ms.to_dict()).quantile(0.99) == latencies_ms.quantile(0.99)
True
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, Ints, State, finite_column, probability


class LogHistogram:
    """Counts on log-spaced bins, with the exact n, sum, min and max beside them. Mutable, not thread-safe."""

    __slots__ = ("counts", "max", "max_value", "min", "min_value", "relative_error", "total")

    def __init__(self, relative_error: float = 0.01, min_value: float = 1e-3, max_value: float = 1e7) -> None:
        probability(relative_error, "relative_error")
        if not 0 < min_value < max_value:
            raise ValueError(f"need 0 < min_value < max_value, got {min_value} and {max_value}")
        self.relative_error, self.min_value, self.max_value = relative_error, min_value, max_value
        self.counts: Ints = np.zeros(len(self.edges) + 1, dtype=np.int64)
        self.total, self.min, self.max = 0.0, math.inf, -math.inf

    @property
    def edges(self) -> Floats:
        """Upper (closed) edges of all bins but the last, which is open; shared, do not write."""
        return _edges(self.relative_error, self.min_value, self.max_value)

    @property
    def n(self) -> int:
        """How many observations were added."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The exact mean; 0 when empty."""
        return self.total / self.n if self.n else 0.0

    def add(self, values: ArrayLike) -> None:
        """Count a batch of values (unit: whatever the caller keeps to, such as ms)."""
        column = finite_column(values, "values")
        if len(column) == 0:
            return
        bins = np.searchsorted(self.edges, column, side="left")
        self.counts += np.bincount(bins, minlength=len(self.counts))
        self.total += float(column.sum())
        self.min, self.max = min(self.min, float(column.min())), max(self.max, float(column.max()))

    def merge(self, other: "LogHistogram") -> "LogHistogram":
        """A new histogram of both; refuses other bins."""
        if self._bins() != other._bins():
            raise ValueError(f"cannot merge histograms on different bins {self._bins()} and {other._bins()}")
        both = LogHistogram(*self._bins())
        both.counts = self.counts + other.counts
        both.total = self.total + other.total
        both.min, both.max = min(self.min, other.min), max(self.max, other.max)
        return both

    def quantile(self, q: float) -> float:
        """The q-quantile within `relative_error`; NaN when empty."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile level lies between 0 and 1, got {q} (99 % is 0.99)")
        if self.n == 0:
            return math.nan
        rank = max(math.ceil(q * self.n), 1)
        at = int(np.searchsorted(np.cumsum(self.counts), rank))
        if at == 0 or at == len(self.edges):
            return self.min if at == 0 else self.max
        low, high = self.edges[at - 1], self.edges[at]
        return float(min(max(2 * low * high / (low + high), self.min), self.max))

    def count_above(self, value: ArrayLike) -> Ints:
        """How many observations are certainly above `value` (those sharing its bin are left out), per entry."""
        first = np.searchsorted(self.edges, np.asarray(value, dtype=np.float64), side="left") + 1
        above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        return np.asarray(above[np.minimum(first, len(self.counts))], dtype=np.int64)

    def counts_up_to_edges(self) -> Ints:
        """How many observations are <= each of `edges`: exact."""
        return np.asarray(np.cumsum(self.counts)[:-1], dtype=np.int64)

    def to_dict(self) -> State:
        """Plain JSON values, only filled bins."""
        filled = np.flatnonzero(self.counts)
        return {
            "bins": list(self._bins()),
            "index": filled.tolist(),
            "count": self.counts[filled].tolist(),
            "total": self.total,
            "min": self.min if len(filled) else None,
            "max": self.max if len(filled) else None,
        }

    @classmethod
    def from_dict(cls, state: State) -> "LogHistogram":
        """The inverse of `to_dict`."""
        histogram = cls(*(float(part) for part in state["bins"]))
        histogram.counts[np.asarray(state["index"], dtype=np.int64)] = state["count"]
        histogram.total = float(state["total"])
        if state["index"]:
            histogram.min, histogram.max = float(state["min"]), float(state["max"])
        return histogram

    def _bins(self) -> tuple[float, float, float]:
        return self.relative_error, self.min_value, self.max_value


@lru_cache(maxsize=64)
def _edges(relative_error: float, min_value: float, max_value: float) -> Floats:
    growth = math.log1p(relative_error) - math.log1p(-relative_error)
    steps = math.ceil(math.log(max_value / min_value) / growth)
    edges = min_value * np.exp(growth * np.arange(steps + 1))
    edges.flags.writeable = False
    return np.asarray(edges, dtype=np.float64)
