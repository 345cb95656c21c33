"""Batch scoring of a LightGBM model of 200 trees and 30 features: rows per second per core, from file to file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

ROWS, FEATURES, TREES = 200_000, 30, 200


def main() -> None:
    """Train, register, score with one worker and with one for each core, and print what came of it."""
    with tempfile.TemporaryDirectory(prefix="tidewheel-batch-") as folder:
        _measure(Path(folder))


def _measure(folder: Path) -> None:
    from tidewheel.app import open_platform
    from tidewheel.serving import BatchOptions
    from tidewheel.serving.batch.pool import cores

    source, target = folder / "in.parquet", folder / "out.parquet"
    names = [f"f{place}" for place in range(FEATURES)]
    values = np.random.default_rng(7).normal(size=(ROWS, FEATURES))
    _write(source, names, values)
    with open_platform(folder / "home") as platform:
        version_id = _register(platform, folder, names, values[:20_000])
        print(f"LightGBM, {TREES} trees, {FEATURES} features, {ROWS:,} rows, Parquet to Parquet, startup included")
        for workers in sorted({1, cores()}):
            options = BatchOptions(workers=workers, overwrite=True, rows_per_part=16_384)
            result = platform.serving.batch(version_id, str(source), str(target), options)
            rate = result.rows_per_second_per_core
            print(f"{workers} workers: {result.seconds:6.1f} s  {rate:9,.0f} rows/s/core  {1e6 / rate:6.1f} us a row")


def _write(path: Path, names: list[str], values: np.ndarray) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(list(values.T), names=names), path, row_group_size=65_536)


def _register(platform: object, folder: Path, names: list[str], values: np.ndarray) -> str:
    import lightgbm

    from tidewheel.registry import Signature
    from tidewheel.registry.formats import open_format

    labels = (values[:, 0] + values[:, 1] * values[:, 2] > 0).astype(float)
    parameters = {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 2}
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, labels), num_boost_round=TREES)
    model = folder / "model"
    model.mkdir()
    open_format("lightgbm").save(booster, model)
    version = platform.registry.register("trees", format="lightgbm", folder=model, signature=Signature.of(names, ["p"]))
    return str(version.id)
