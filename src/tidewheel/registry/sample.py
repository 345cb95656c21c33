"""MLflow's `input_example.json` as a table: the sample input that a version keeps. Pure.

Only tables are read (`{"columns": [...], "data": [[...], ...]}`, as MLflow writes a data frame); other examples stay
among the version's files, where MLflow's clients find them.
"""

from __future__ import annotations

import json

import pyarrow as pa


def sample_table(data: bytes) -> pa.Table | None:
    """The rows of an input example, or None if it is no table of plain values."""
    try:
        document = json.loads(data)
        names, rows = document["columns"], document["data"]
        if len(set(names)) != len(names) or any(len(row) != len(names) for row in rows):
            return None
        columns = [pa.array([row[place] for row in rows]) for place in range(len(names))]
        return pa.table(columns, names=[str(name) for name in names])
    except (ValueError, KeyError, TypeError, RecursionError, pa.ArrowException):
        return None
