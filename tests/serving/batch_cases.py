"""Models, tables and answers for tests of batch scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq


class Picky:
    """Answers `a` + 10 `b`, and cannot answer where `a` is 13."""

    def predict(self, rows):
        if (rows[:, 0] == 13).any():
            raise ValueError("thirteen")
        return (rows[:, 0] + 10 * rows[:, 1]).reshape(-1, 1)


class Crawling:
    """Answers `a` + 10 `b`, a slice a hundredth of a second, so that a test can come in between."""

    def predict(self, rows):
        import time

        time.sleep(0.01)
        return (rows[:, 0] + 10 * rows[:, 1]).reshape(-1, 1)


def numbered(rows: int, begin: int = 100) -> pa.Table:
    """Rows that tell their place: `id` from 0, `a` from `begin`, and `b` that is `a` halved."""
    a = np.arange(begin, begin + rows, dtype=float)
    return pa.table({"id": np.arange(rows), "a": a, "b": a / 2, "note": [f"n{place % 7}" for place in range(rows)]})


def answers(table: pa.Table) -> np.ndarray:
    """What `Picky` and `Crawling` answer."""
    return table["a"].to_numpy() + 10 * table["b"].to_numpy()


def left_behind(folder: Path) -> list[str]:
    """Files of unfinished work in a folder."""
    return [path.name for path in folder.iterdir() if path.name.endswith((".batch", ".partial"))]


def read(path: Path) -> pa.Table:
    """A table that a job wrote, by its ending."""
    if path.name.endswith((".csv", ".csv.gz")):
        return pyarrow.csv.read_csv(path)
    if path.name.endswith((".jsonl", ".ndjson.gz")):
        return pyarrow.json.read_json(path)
    if path.is_dir():
        from deltalake import DeltaTable

        return DeltaTable(path).to_pyarrow_table()
    return pq.read_table(path)
