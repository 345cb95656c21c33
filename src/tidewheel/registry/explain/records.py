"""The nouns of explanations: what an explainer gives, and what it promises. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Scale = Literal["output", "margin"]
FEW_ROWS = 20
"""Fewer background rows than this do not tell what rows usually are: their mean alone is off by over a fifth of the
standard deviation of a feature (1 / sqrt(20))."""
Method = Literal["tree_shap", "linear", "sampled"]


@dataclass(frozen=True, slots=True)
class Attributions:
    """What each feature added: for every row and output, `values` over all features and `base` add up to the model's.

    Attributes:
        values: (rows, features, outputs), in units of the scale.
        base: (rows, outputs), the answer where nothing is known of the row.
        scale: `output` if they add up to what the model answers; `margin` if to what it answers before its link, as
            log-odds for a classifier.
        method: how they were found.
        error: (rows, features, outputs), the standard error of `values` where they were sampled.
        compared_with: how many background rows it was compared with; None where the model itself says what is usual.
    """

    values: NDArray[np.float64]
    base: NDArray[np.float64]
    scale: Scale
    method: Method
    error: NDArray[np.float64] | None = None
    compared_with: int | None = None

    @property
    def warning(self) -> str:
        """What its reader should know before believing it; empty where there is nothing."""
        if self.compared_with is None or self.compared_with >= FEW_ROWS:
            return ""
        only = "one row" if self.compared_with == 1 else f"{self.compared_with} rows"
        return (
            f"The model was compared with {only} only, so that the attributions say little: at least {FEW_ROWS} are "
            "wanted. Log it with its training rows (rows=…), or with a longer input_example."
        )


class Explainer(Protocol):
    """Explains a model's answers. It may be used from many threads, and gives equal rows equal attributions."""

    def explain(self, rows: NDArray[np.float64], /) -> Attributions:
        """What each of k features added to the answers to n rows, (n, k), C-contiguous float64, NaN = missing.

        Raises:
            InvalidInput: if k is not what the model was trained on, or it refuses the rows.
        """
