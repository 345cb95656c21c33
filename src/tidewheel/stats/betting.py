"""A betting confidence sequence for the mean of bounded values: exact at every n, no burn-in, no normal limit.

Called where the asymptotic sequence has not set in (few rows, skewed values) and values are bounded: a ratio of
fares, a probability, a score. It must never be fed values outside [lo, hi]. For a batch of a million rows use
`confidence_sequence`: this one costs `grid` logarithms a row.

For each candidate mean m on a grid two gamblers bet against it, one on "higher", one on "lower":

    K+_t(m) = prod (1 + l+_i(m) (x_i - m)),   K-_t(m) = prod (1 - l-_i(m) (x_i - m))
    l_i = sqrt( 2 log(2/alpha) / (v_{i-1} i log(1 + i)) ),  l+_i(m) = min(l_i, 1/(2m)),  l-_i(m) = min(l_i, 1/(2(1-m)))

where v is the running variance of the rows before (predictable). If m is the mean, max(K+, K-)/2 ever reaches
1/alpha with chance at most alpha; all m for which it never did form the interval (running intersection included).

lo, hi: range of the values (their unit); alpha: chance that the truth is ever outside; grid: candidate means, the
interval is widened by one grid step, so 500 gives a resolution of 0.2 % of the range.

Waudby-Smith, Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2023 (arXiv 2010.09686),
section 4.

>>> import numpy as np
>>> sequence = BettingSequence(alpha=0.05)
>>> found = sequence.update(np.random.default_rng(4).beta(2, 6, 1000))
>>> round(found.lower, 3), round(found.estimate, 3), round(found.upper, 3)
(0.236, 0.258, 0.272)
"""

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, State, finite_column, probability
from tidewheel.stats.confidence_sequence import Interval

_CHUNK = 2_048


class BettingSequence:
    """The sequence as rows come in. Mutable, not thread-safe."""

    def __init__(self, *, alpha: float, lo: float = 0.0, hi: float = 1.0, grid: int = 500) -> None:
        if not lo < hi or grid < 2:
            raise ValueError(f"need lo < hi and a grid of at least 2, got lo={lo}, hi={hi}, grid={grid}")
        self.alpha, self.lo, self.hi, self.grid = probability(alpha, "alpha"), float(lo), float(hi), grid
        self.n, self.total, self.squares = 0, 0.0, 0.0  # of values scaled to [0, 1]; squares: around running means
        self._log_up: Floats = np.zeros(grid + 1)
        self._log_down: Floats = np.zeros(grid + 1)
        self._most: Floats = np.zeros(grid + 1)

    def update(self, values: ArrayLike) -> Interval:
        """Take a batch of rows in order."""
        x = (finite_column(values, "values") - self.lo) / (self.hi - self.lo)
        if len(x) and (x.min() < 0 or x.max() > 1):
            raise ValueError(f"a value lies outside [{self.lo}, {self.hi}]; the guarantee needs true bounds")
        for start in range(0, len(x), _CHUNK):
            self._take(x[start : start + _CHUNK])
        return self.interval()

    def interval(self) -> Interval:
        """The present interval; all of [lo, hi] before the first row."""
        kept = np.flatnonzero(self._most < math.log(2 / self.alpha))
        width = self.hi - self.lo
        low, high = (kept[0] - 1, kept[-1] + 1) if len(kept) else (0, self.grid)  # none kept: alpha's bad luck
        return Interval(
            estimate=self.lo + width * (self.total / self.n if self.n else 0.5),
            lower=self.lo + width * max(float(low) / self.grid, 0.0),
            upper=self.lo + width * min(float(high) / self.grid, 1.0),
            n=self.n,
            alpha=self.alpha,
        )

    def to_dict(self) -> State:
        """Plain JSON values; a sequence made from them goes on exactly as this one would."""
        return {
            "settings": {name: getattr(self, name) for name in ("alpha", "lo", "hi", "grid")},
            "sums": [self.n, self.total, self.squares],
            "log_up": self._log_up.tolist(),
            "log_down": self._log_down.tolist(),
            "most": self._most.tolist(),
        }

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        sequence = cls(**state["settings"])
        sequence.n, sequence.total, sequence.squares = state["sums"]
        sequence._log_up = np.asarray(state["log_up"], dtype=np.float64)
        sequence._log_down = np.asarray(state["log_down"], dtype=np.float64)
        sequence._most = np.asarray(state["most"], dtype=np.float64)
        return sequence

    def _take(self, x: Floats) -> None:
        m = np.arange(self.grid + 1) / self.grid
        bet = self._bets(x)[:, None]
        distance = x[:, None] - m
        up = np.minimum(bet, 0.5 / np.maximum(m, 1e-9)) * distance
        down = np.minimum(bet, 0.5 / np.maximum(1 - m, 1e-9)) * distance
        log_up = self._log_up + np.cumsum(np.log1p(up), axis=0)
        log_down = self._log_down + np.cumsum(np.log1p(-down), axis=0)
        self._most = np.maximum(self._most, np.maximum(log_up, log_down).max(axis=0))
        self._log_up, self._log_down = log_up[-1], log_down[-1]

    def _bets(self, x: Floats) -> Floats:
        """The predictable bet of each row, from the rows before it only; carries the sums on."""
        i = self.n + np.arange(1, len(x) + 1)
        totals = self.total + np.cumsum(x)
        squares = self.squares + np.cumsum((x - (0.5 + totals) / (i + 1)) ** 2)
        before = (0.25 + np.append(self.squares, squares[:-1])) / i
        self.n, self.total, self.squares = int(i[-1]), float(totals[-1]), float(squares[-1])
        return np.asarray(np.sqrt(2 * math.log(2 / self.alpha) / (before * i * np.log1p(i))))
