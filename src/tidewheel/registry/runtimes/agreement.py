"""Which rows a runtime is compared with its model on, and how far its answers lie from the model's. Pure.

The sample alone covers too little: a runtime that is wrong where traffic has not been yet would be found out in
production. So rows are also drawn within the sample's ranges, and given gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidewheel.registry.runtimes.records import Tolerance

_SAMPLED, _DRAWN, _GAPPED = 2_000, 2_000, 256
_GAP_SHARE = 0.2
_FEW_VALUES = 50  # so few are codes of something: others may be refused, or mean nothing
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class TrialRows:
    """Rows to compare on, each (rows, features), by their kind.

    Attributes:
        whole: `sample`: the sample, or as many rows of it as are enough, evenly spaced; `drawn`: rows whose values are
            drawn column by column within the sample's ranges.
        gapped: `missing`: rows of the sample in which a fifth of the values is NaN; `infinite`: the same, infinite.
    """

    whole: dict[str, NDArray[np.float64]]
    gapped: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, sample: NDArray[np.float64]) -> TrialRows:
        """The rows for a sample of at least one row; equal samples give equal rows."""
        rng = np.random.default_rng(_SEED)
        places = np.linspace(0, len(sample) - 1, min(len(sample), _SAMPLED)).astype(np.int64)
        drawn = np.column_stack([_draw(column, rng) for column in sample.T])
        missing = np.resize(sample, (_GAPPED, sample.shape[1]))
        infinite = missing.copy()
        gaps = rng.random(missing.shape) < _GAP_SHARE
        gaps[:, rng.integers(missing.shape[1])] = True
        missing[gaps] = np.nan
        infinite[gaps] = np.where(rng.random(gaps.sum()) < 0.5, np.inf, -np.inf)
        whole = {"sample": np.ascontiguousarray(sample[places]), "drawn": np.ascontiguousarray(drawn)}
        return cls(whole, {"missing": missing, "infinite": infinite})


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of some rows lie further apart than tolerated, and the largest absolute difference of one output."""

    rows: int
    apart: int
    max_difference: float


def compare(own: NDArray[np.float64], other: NDArray[np.float64], tolerance: Tolerance) -> Agreement:
    """Compare a runtime's answers with the model's own, both (rows, outputs); NaN agrees with NaN only.

    >>> own, other = np.array([[0.5], [0.7], [np.nan]]), np.array([[0.5], [0.9], [np.nan]])
    >>> found = compare(own, other, Tolerance())
    >>> found.rows, found.apart, round(found.max_difference, 3)
    (3, 1, 0.2)
    """
    if own.shape != other.shape:
        return Agreement(len(own), len(own), float("inf"))
    same = (own == other) | (np.isnan(own) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(own - other))
        allowed = tolerance.absolute + tolerance.relative * np.abs(own)
    difference[np.isnan(difference)] = np.inf
    near = same | ((difference <= allowed) & np.isfinite(difference))
    return Agreement(len(own), int((~near).any(axis=1).sum()), float(difference.max(initial=0.0)))


def _draw(column: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    known = np.unique(column[np.isfinite(column)])
    if known.size == 0:
        return rng.choice(column, _DRAWN)
    if known.size <= _FEW_VALUES:
        return rng.choice(known, _DRAWN)
    drawn: NDArray[np.float64] = known[0] + rng.random(_DRAWN) * (known[-1] - known[0])
    return np.round(drawn) if (known == np.round(known)).all() else drawn
