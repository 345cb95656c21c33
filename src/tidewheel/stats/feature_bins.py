"""The bins a feature is counted on, fixed once from training data, so that every later window is comparable.

Called by monitors, which count traffic on them. It must never change after the reference was taken:
two sketches compare only on equal bins.

Numeric: edges are quantiles of the reference (about equal counts per bin, so a distance sees every part of the
distribution alike); bin i holds (edge i-1, edge i], the outer bins are open. Categorical: one bin per frequent
category and one for all others, unseen ones included. Missing values (None, NaN) are counted apart, as they drift
too.

bins: more see finer shifts but need more rows per window (PSI's noise grows as bins / rows); 20 suits 500 rows.
top: categories kept by name.

>>> bins = FeatureBins.of([1.0, 2.0, 3.0, 4.0, None], bins=2)
>>> bins.edges
(2.0,)
>>> bins.count([0.5, 9.0, 9.5, float("nan")])       # bins..., then missing
array([1, 2, 1])
>>> zones = FeatureBins.of(["a", "a", "b"])
>>> zones.categories, zones.count(["b", "x", None])   # categories..., other, missing
(('a', 'b'), array([0, 1, 1, 1]))
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidewheel.stats._checks import Floats, Ints, State

FeatureKind = Literal["numeric", "categorical"]
Column = ArrayLike | Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBins:
    """Edges (numeric) or categories (categorical). `scale` is the reference's standard deviation, the unit of W1;
    `centres` the reference's mean in each bin, where a distance takes the bin's mass to lie."""

    kind: FeatureKind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    scale: float = 1.0
    centres: tuple[float, ...] = (0.0,)

    @classmethod
    def of(cls, values: Column, *, kind: FeatureKind | None = None, bins: int = 20, top: int = 50) -> "FeatureBins":
        """Bins fitted to a reference column; `kind` is seen from the values unless given."""
        if (kind or kind_of(values)) == "categorical":
            common = Counter(text for text in category_texts(values) if text is not None).most_common(top)
            return cls(kind="categorical", categories=tuple(text for text, _ in common))
        column = numbers(values)
        present = column[np.isfinite(column)]
        if len(present) == 0:
            return cls(kind="numeric")
        low, high = float(present.min()), float(present.max())
        if low == high:
            scale = abs(low) or 1.0
            below = math.nextafter(low, -math.inf)
            return cls(kind="numeric", edges=(below, low), scale=scale, centres=(low - scale, low, low + scale))
        # an actual value at each edge, and never the maximum: a bin above it would be empty in the reference
        quantiles = np.quantile(present, np.arange(1, bins) / bins, method="lower")
        edges = np.unique(quantiles[quantiles < high])
        if len(edges) == 0:
            edges = np.array([low])
        index = np.searchsorted(edges, present, side="left")
        centres = np.bincount(index, weights=present) / np.bincount(index)
        return cls(
            kind="numeric",
            edges=tuple(edges.tolist()),
            scale=float(present.std()) or 1.0,
            centres=tuple(centres.tolist()),
        )

    @property
    def size(self) -> int:
        """Entries of `count`: the bins, "other" for categories, and missing."""
        return len(self.edges) + 2 if self.kind == "numeric" else len(self.categories) + 2

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each entry of `count`, for reports."""
        if self.kind == "categorical":
            return (*self.categories, "(other)", "(missing)")
        bounds = [-math.inf, *self.edges, math.inf]
        spans = [f"({a:.4g}, {b:.4g}]" for a, b in pairwise(bounds)]
        return (*spans, "(missing)")

    @property
    def gaps(self) -> Floats:
        """Numeric: how far mass moves when it crosses each edge (from centre to centre), in scales."""
        return np.asarray(np.diff(self.centres) / self.scale)

    def count(self, values: Column) -> Ints:
        """How many values fall in each bin; the last entry counts missing ones."""
        if self.kind == "numeric":
            column = numbers(values)
            present = _present(column)
            bins = np.searchsorted(np.array(self.edges), present, side="left")
            counts = np.bincount(bins, minlength=self.size)
            counts[-1] = len(column) - len(present)
            return np.asarray(counts, dtype=np.int64)
        counted = Counter(category_texts(values))
        missing = counted.pop(None, 0)
        named = [counted.pop(category, 0) for category in self.categories]
        return np.array([*named, sum(counted.values()), missing], dtype=np.int64)

    def to_dict(self) -> State:
        """Plain JSON values; `from_dict` restores them exactly."""
        state = {name: getattr(self, name) for name in self.__slots__}
        return {**state, "edges": list(self.edges), "categories": list(self.categories), "centres": list(self.centres)}

    @classmethod
    def from_dict(cls, state: State) -> "FeatureBins":
        """The inverse of `to_dict`."""
        parts: State = {key: tuple(part) if isinstance(part, list) else part for key, part in state.items()}
        return cls(**parts)


def kind_of(values: Column) -> FeatureKind:
    """Numeric when every present value is a number or a boolean, else categorical."""
    array = np.asarray(values, dtype=None if isinstance(values, np.ndarray) else object)
    if array.dtype.kind in "fiub":
        return "numeric"
    present = [value for value in array.tolist() if value is not None]
    return "numeric" if present and all(isinstance(v, int | float) for v in present) else "categorical"


def numbers(values: Column) -> Floats:
    """A numeric column as floats, missing values as NaN."""
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return np.atleast_1d(array.astype(np.float64))
    try:
        return np.array([math.nan if value is None else float(value) for value in array.tolist()])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'a numeric feature holds a value that is no number ({error}); use kind="categorical"'
        ) from None


def category_texts(values: Column) -> list[str | None]:
    """A categorical column as text, missing values as None."""
    listed: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)  # type: ignore[arg-type]
    return [None if v is None or (isinstance(v, float) and math.isnan(v)) else str(v) for v in listed]


def _present(column: Floats) -> NDArray[np.float64]:
    return column[~np.isnan(column)]
