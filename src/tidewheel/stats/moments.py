"""Mean and variance that can be kept as three numbers and merged in any order.

Every comparison of two arms needs only (n, mean, m2) per arm, so workers may summarise apart and the controller
merges. Called by rollout (one `Moments` per arm), monitors and profiles. Never computes a variance as
"mean of squares minus square of mean": that loses all digits when the mean is large against the spread.

    m2 = sum (x - mean)^2;   merging: d = mean_b - mean_a,  m2 = m2_a + m2_b + d^2 n_a n_b / (n_a + n_b)

Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

>>> a, b = Moments.of([1.0, 2.0]), Moments.of([6.0])
>>> both = a.merge(b)
>>> both.n, both.mean, both.variance
(3, 3.0, 7.0)
>>> Moments.from_dict(both.to_dict()) == both
True
"""

import math
from dataclasses import dataclass
from typing import Self

from numpy.typing import ArrayLike

from tidewheel.stats._checks import State, finite_column


@dataclass(frozen=True, slots=True)
class Moments:
    """n values, their mean, and m2 = the sum of squared deviations from it (unit of the values, squared)."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """The moments of one batch; missing values are refused, not skipped."""
        column = finite_column(values, "values")
        if len(column) == 0:
            return cls()
        mean = float(column.mean())
        return cls(len(column), mean, float(((column - mean) ** 2).sum()))

    @classmethod
    def from_sums(cls, n: int, total: float, total_squares: float) -> Self:
        """From n, sum x and sum x^2, as a SQL query gives them (exact enough while |mean| < 1e4 deviations)."""
        if n == 0:
            return cls()
        mean = total / n
        return cls(n, mean, max(total_squares - n * mean * mean, 0.0))

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of values together; order does not matter."""
        n = self.n + other.n
        if n == 0:
            return self
        distance = other.mean - self.mean
        mean = (self.n * self.mean + other.n * other.mean) / n
        return Moments(n, mean, self.m2 + other.m2 + distance * distance * self.n * other.n / n)

    @property
    def variance(self) -> float:
        """The unbiased sample variance; 0 below two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0

    @property
    def std(self) -> float:
        """The sample standard deviation, in the unit of the values."""
        return math.sqrt(self.variance)

    def to_dict(self) -> State:
        """Plain JSON values; `from_dict` restores them exactly."""
        return {"n": self.n, "mean": self.mean, "m2": self.m2}

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        return cls(int(state["n"]), float(state["mean"]), float(state["m2"]))
