"""The rows that a version answers before it is used: they are what it is warmed up, tried and timed with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.serving.snapshot import SnapshotVersion


def warm_up_rows(path: Path, spec: SnapshotVersion) -> list[NDArray[np.float64]]:
    """Rows to warm up with: all of the sample, then its first row alone, as single rows often take another path."""
    if not spec.inputs:  # nobody said what it takes, so there is nothing to ask it with
        return []
    if spec.sample_rows == 0:
        return [np.zeros((1, len(spec.inputs)))]
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Corrupt(f"The warm-up sample cannot be read: {error}.", where=str(path)) from None
    if rows.shape != (spec.sample_rows, len(spec.inputs)):
        raise InvalidInput(f"The warm-up sample has shape {rows.shape}.", where=str(path))
    return [np.ascontiguousarray(rows), np.ascontiguousarray(rows[:1])]
