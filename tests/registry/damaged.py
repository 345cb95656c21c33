"""Files that end the process which loads them. They pass every check that can be made without their own parser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidewheel.registry.formats import saving_format


def crashing_booster(folder: Path, features: int = 3) -> Path:
    """A LightGBM file with one bit turned over, in the name of a tree's list; its reader calls abort()."""
    lightgbm = pytest.importorskip("lightgbm")
    rows = np.random.default_rng(5).normal(size=(200, features))
    model = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, rows[:, 0] > 0), 2
    )
    folder.mkdir(parents=True, exist_ok=True)
    saving_format(model).save(model, folder)
    file = folder / "model.txt"
    file.write_bytes(file.read_bytes().replace(b"\nnum_leaves=", b"\nnum_leafes=", 1))
    return file
