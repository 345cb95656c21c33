"""The gate before a quantised model: how much worse it may be than the model itself. Pure.

Quantised answers are other answers, so the tolerance that other runtimes must keep says nothing here: what counts is
the quality on labelled rows, or without labels the mean difference from the model.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.runtimes.records import GateResult, Quantize
from tidewheel.stats import metric

DIFFERENCE = "difference"


def judge(
    asked: Quantize, own: NDArray[np.float64], quantized: NDArray[np.float64], labels: NDArray[np.float64] | None
) -> GateResult:
    """What the metric says of both models' answers to the same rows, each (rows, outputs).

    Metrics of labelled rows are those of the first output.

    Raises:
        InvalidInput: if there is no such metric, it needs labels and there are none, or it is not defined on them.
    """
    if asked.metric == DIFFERENCE:
        before, after = 0.0, float(np.abs(own - quantized).mean()) if own.shape == quantized.shape else math.inf
        worse = after
    else:
        before, after, worse = _score(asked.metric, own, quantized, labels)
    return GateResult(
        metric=asked.metric, own=before, quantized=after, worse_by=worse, at_most=asked.at_most, rows=len(own)
    )


def passes(found: GateResult) -> bool:
    """Whether the quantised model may be used; a metric that is not a number says no."""
    return found.worse_by <= found.at_most


def _score(
    name: str, own: NDArray[np.float64], quantized: NDArray[np.float64], labels: NDArray[np.float64] | None
) -> tuple[float, float, float]:
    if labels is None:
        raise InvalidInput(
            f"The metric {name} needs to know what was true.",
            fix=f'Give labelled rows, or ask for metric="{DIFFERENCE}", which needs none.',
        )
    try:
        scoring = metric(name)
        before, after = scoring(labels, own[:, 0]), scoring(labels, quantized[:, 0])
    except ValueError as error:
        raise InvalidInput(f"The metric {name} cannot be taken of these rows: {error}.") from None
    return before, after, before - after if scoring.greater_is_better else after - before
