"""The profile of features in training data, and how far a later window lies from it.

A model version keeps the `ReferenceProfile` of its training rows; workers count traffic in `BinnedSketch`es on the
same bins; monitors `compare` them. Called by registry's callers, serving and monitoring. It must never decide: a
distance is an effect size, whether it is more than chance is for `conformal_drift`.

With reference shares p_i and window shares q_i (both smoothed by half a row per bin):

    PSI  = sum (q_i - p_i) log(q_i / p_i)                population stability index, nats; custom: .1 some, .25 much
    JS   = sqrt( KL(p|m)/2 + KL(q|m)/2 ) / sqrt(log 2)   Jensen-Shannon distance, m = (p + q)/2; from 0 to 1
    W1   = integral |F_p - F_q| dx / std(reference)      numeric: shift in reference deviations, bin to bin; at least
                                                         |difference of means| / std, so a shift past the outer edges
                                                         counts in full. Categorical: total variation, from 0 to 1
    psi_noise = (bins - 1)(1/n + 1/m)                    the PSI that no drift at all gives on average

Missing values are a bin of PSI, JS and total variation; `null_change` says how their share moved.

Lin, "Divergence measures based on the Shannon entropy", 1991; Yurdakul, Naranjo, "Statistical properties of the
population stability index", 2020 (the noise term).

>>> import numpy as np
>>> rng = np.random.default_rng(5)
>>> reference = profile_feature(rng.normal(0, 2, 10_000))
>>> window = reference.empty(); window.add(rng.normal(1, 2, 2_000))
>>> found = compare(reference, window)
>>> round(found.psi, 2), round(found.js, 2), round(found.w1, 2), round(found.psi_noise, 3)
(0.21, 0.19, 0.46, 0.011)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidewheel.stats._checks import Floats, Ints, State
from tidewheel.stats.feature_bins import Column, FeatureBins, FeatureKind, numbers
from tidewheel.stats.moments import Moments


class BinnedSketch:
    """Counts of one feature on fixed bins, and moments when numeric; mergeable. Mutable, not thread-safe."""

    __slots__ = ("bins", "counts", "moments")

    def __init__(self, bins: FeatureBins, counts: Ints | None = None, moments: Moments | None = None) -> None:
        self.bins = bins
        self.counts: Ints = np.zeros(bins.size, dtype=np.int64) if counts is None else counts
        self.moments = moments or Moments()

    @property
    def n(self) -> int:
        """Rows counted, missing ones included."""
        return int(self.counts.sum())

    @property
    def nulls(self) -> int:
        """Rows whose value is missing."""
        return int(self.counts[-1])

    def empty(self) -> "BinnedSketch":
        """A fresh sketch on the same bins: what a window starts from."""
        return BinnedSketch(self.bins)

    def add(self, values: Column) -> None:
        """Count a batch of values of the feature."""
        self.counts = self.counts + self.bins.count(values)
        if self.bins.kind == "numeric":
            column = numbers(values)
            self.moments = self.moments.merge(Moments.of(column[np.isfinite(column)]))

    def merge(self, other: "BinnedSketch") -> "BinnedSketch":
        """A new sketch of both; refuses other bins."""
        if self.bins != other.bins:
            raise ValueError("cannot merge sketches on different bins; sketch both on the same reference profile")
        return BinnedSketch(self.bins, self.counts + other.counts, self.moments.merge(other.moments))

    def to_dict(self, *, with_bins: bool = True) -> State:
        """Plain JSON values; `with_bins=False` for many sketches on one profile, whose bins are stored once."""
        state: State = {"counts": self.counts.tolist(), "moments": self.moments.to_dict()}
        return {**state, "bins": self.bins.to_dict()} if with_bins else state

    @classmethod
    def from_dict(cls, state: State, bins: FeatureBins | None = None) -> "BinnedSketch":
        """The inverse of `to_dict`; give `bins` when they were stored apart."""
        bins = bins or FeatureBins.from_dict(state["bins"])
        counts = np.asarray(state["counts"], dtype=np.int64)
        if len(counts) != bins.size:
            raise ValueError(f"a sketch of {len(counts)} bins does not fit bins of size {bins.size}")
        return cls(bins, counts, Moments.from_dict(state["moments"]))


@dataclass(frozen=True, slots=True)
class ReferenceProfile:
    """The sketch of every feature of one set of training rows, by name."""

    features: Mapping[str, BinnedSketch]

    @classmethod
    def of(cls, columns: Mapping[str, Column], *, bins: int = 20, top: int = 50) -> "ReferenceProfile":
        """Profile a table given as columns."""
        return cls({name: profile_feature(column, bins=bins, top=top) for name, column in columns.items()})

    def empty_window(self) -> dict[str, BinnedSketch]:
        """Fresh sketches on the reference's bins, one per feature."""
        return {name: sketch.empty() for name, sketch in self.features.items()}

    def compare(self, window: Mapping[str, BinnedSketch]) -> dict[str, "FeatureDistance"]:
        """The distance of each feature that the window holds, the farthest (in PSI) first."""
        found = {name: compare(self.features[name], sketch) for name, sketch in window.items()}
        return dict(sorted(found.items(), key=lambda item: -item[1].psi))

    def to_dict(self) -> State:
        """Plain JSON values; `from_dict` restores them exactly."""
        return {name: sketch.to_dict() for name, sketch in self.features.items()}

    @classmethod
    def from_dict(cls, state: State) -> "ReferenceProfile":
        """The inverse of `to_dict`."""
        return cls({name: BinnedSketch.from_dict(sketch) for name, sketch in state.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDistance:
    """How far a window lies from the reference; formulas at the top of the file."""

    psi: float
    psi_noise: float
    js: float
    w1: float
    null_change: float
    rows: int

    def to_dict(self) -> State:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def profile_feature(values: Column, *, kind: FeatureKind | None = None, bins: int = 20, top: int = 50) -> BinnedSketch:
    """The reference sketch of one column: bins fitted to it, and its counts on them."""
    sketch = BinnedSketch(FeatureBins.of(values, kind=kind, bins=bins, top=top))
    sketch.add(values)
    return sketch


def compare(reference: BinnedSketch, window: BinnedSketch) -> FeatureDistance:
    """The distances of a window from the reference; all zero when either holds no rows."""
    if reference.bins != window.bins:
        raise ValueError("cannot compare sketches on different bins; sketch the window on the reference's bins")
    if reference.n == 0 or window.n == 0:
        return FeatureDistance(psi=0.0, psi_noise=0.0, js=0.0, w1=0.0, null_change=0.0, rows=window.n)
    occupied = int(((reference.counts + window.counts) > 0).sum())
    w1 = float(shift_distance(reference.bins, window.counts, reference.counts))
    if reference.bins.kind == "numeric" and reference.moments.n and window.moments.n:
        w1 = max(w1, abs(window.moments.mean - reference.moments.mean) / reference.bins.scale)
    return FeatureDistance(
        psi=psi(reference.counts, window.counts),
        psi_noise=(occupied - 1) * (1 / reference.n + 1 / window.n),
        js=jensen_shannon(reference.counts, window.counts),
        w1=w1,
        null_change=window.nulls / window.n - reference.nulls / reference.n,
        rows=window.n,
    )


def psi(reference: Ints | Floats, window: Ints | Floats) -> float:
    """Population stability index of two vectors of counts on the same bins; bins empty in both are left out."""
    p, q = _shares(reference, window)
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: Ints | Floats, window: Ints | Floats) -> float:
    """Jensen-Shannon distance of two vectors of counts, from 0 (equal) to 1 (disjoint)."""
    p, q = _shares(reference, window)
    m = (p + q) / 2
    divergence = float((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2
    return math.sqrt(max(divergence, 0.0) / math.log(2))


def shift_distance(bins: FeatureBins, window: Ints | Floats, reference: Ints | Floats) -> Floats:
    """Binned W1 in reference deviations (numeric, plus the change of the missing share) or total variation.

    Rows of [..., bin] broadcast, so one call scores many windows.
    """
    q = window / np.maximum(window.sum(axis=-1, keepdims=True), 1)
    p = reference / np.maximum(reference.sum(axis=-1, keepdims=True), 1)
    if bins.kind == "categorical":
        return np.asarray(np.abs(q - p).sum(axis=-1) / 2)
    difference = np.cumsum(_present_shares(q) - _present_shares(p), axis=-1)[..., :-1]
    shift = np.abs(difference) @ bins.gaps if len(bins.edges) else np.zeros(difference.shape[:-1])
    return np.asarray(shift + np.abs(q[..., -1] - p[..., -1]))


def _present_shares(shares: Floats) -> Floats:
    present = shares[..., :-1]
    return np.asarray(present / np.maximum(present.sum(axis=-1, keepdims=True), 1e-12))


def _shares(reference: Ints | Floats, window: Ints | Floats) -> tuple[Floats, Floats]:
    used = (reference + window) > 0
    p, q = reference[used] + 0.5, window[used] + 0.5
    return p / p.sum(), q / q.sum()
