"""Rows that are kept with a version: those it is warmed up, tried and timed with, and those it is explained against."""

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
        return [np.zeros((1, spec.width))]
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise Corrupt(f"The warm-up sample cannot be read: {error}.", where=str(path)) from None
    if rows.shape != (spec.sample_rows, spec.width):
        raise InvalidInput(f"The warm-up sample has shape {rows.shape}.", where=str(path))
    return [np.ascontiguousarray(rows), np.ascontiguousarray(rows[:1])]


def load_background(path: Path, width: int) -> NDArray[np.float64]:
    """The rows that explanations are made against, (rows, features); none where the version came without a sample.

    Raises:
        Corrupt: if the file is no table of the version's features.
    """
    try:
        rows: NDArray[np.float64] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return np.empty((0, width))
    except (OSError, ValueError) as error:
        raise Corrupt(f"The background of explanations cannot be read: {error}.", where=str(path)) from None
    if rows.ndim != 2 or rows.shape[1] != width:
        raise Corrupt(f"The background of explanations has shape {rows.shape}.", where=str(path))
    return rows
