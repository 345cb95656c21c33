"""A ratio of sums over clusters (conversions per quote, by zone x hour), with the cluster as unit of analysis.

In a switchback experiment the coin is tossed per zone x hour, so quotes of one zone x hour are not independent and
counting quotes as n would overstate the evidence. Each cluster gives a sum s and a count c; the ratio R = sum s /
sum c has, by linearisation (delta method), the same asymptotic behaviour as the mean of

    z_i = R + (s_i - R c_i) / mean(c)            one value per cluster

so that `linearised()` is a `Moments` with n = number of clusters, which `mean_interval` and `difference_interval`
take as it is. Effect of few clusters: the linearisation is good from about 30 clusters an arm; ask for at least that
as `burn_in`. Called by rollout for switchback goals. It must never be fed single rows as clusters of a switchback.

Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018.

>>> arm = RatioMoments.of(sums=[3.0, 1.0, 4.0], counts=[6.0, 4.0, 6.0])
>>> arm.clusters, arm.ratio
(3, 0.5)
>>> arm.linearised().mean
0.5
>>> arm.merge(RatioMoments.of([2.0], [4.0])).ratio
0.5
"""

from dataclasses import dataclass
from typing import Self

from numpy.typing import ArrayLike

from tidewheel.stats._checks import State, finite_column, same_length
from tidewheel.stats.moments import Moments


@dataclass(frozen=True, slots=True)
class RatioMoments:
    """The five sums over clusters that the ratio and its variance need; plain sums, so merging is adding."""

    clusters: int = 0
    total: float = 0.0
    count: float = 0.0
    total_squares: float = 0.0
    total_count: float = 0.0
    count_squares: float = 0.0

    @classmethod
    def of(cls, sums: ArrayLike, counts: ArrayLike) -> Self:
        """One entry per cluster: the sum of its values and how many there were. Empty clusters are left out."""
        s, c = finite_column(sums, "sums"), finite_column(counts, "counts")
        same_length(s, c, "sums and counts")
        if (c < 0).any():
            raise ValueError("counts must not be negative; they say how many rows a cluster holds")
        s, c = s[c > 0], c[c > 0]
        squares = (float((s * s).sum()), float((s * c).sum()), float((c * c).sum()))
        return cls(len(c), float(s.sum()), float(c.sum()), *squares)

    def merge(self, other: "RatioMoments") -> "RatioMoments":
        """Both sets of clusters together. A cluster that is still filling must be merged once, when it is closed."""
        return RatioMoments(
            self.clusters + other.clusters,
            self.total + other.total,
            self.count + other.count,
            self.total_squares + other.total_squares,
            self.total_count + other.total_count,
            self.count_squares + other.count_squares,
        )

    @property
    def ratio(self) -> float:
        """Sum of values over number of rows, all clusters together; 0 when there is none."""
        return self.total / self.count if self.count else 0.0

    def linearised(self) -> Moments:
        """One pseudo-value per cluster, whose mean is the ratio: n counts clusters, not rows."""
        if self.clusters == 0:
            return Moments()
        r, mean_count = self.ratio, self.count / self.clusters
        residual = self.total_squares - 2 * r * self.total_count + r * r * self.count_squares
        return Moments(self.clusters, r, max(residual, 0.0) / mean_count**2)

    def to_dict(self) -> State:
        """Plain JSON values; `from_dict` restores them exactly."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        return cls(int(state["clusters"]), *(float(state[name]) for name in cls.__slots__[1:]))
