"""MLflow's `input_example.json` as a table: the sample input that a version keeps. Pure.

Data frames are read (`{"columns": [...], "data": [[...], ...]}`, as MLflow writes them), and the tensors that a
signature names, nested lists; other examples stay among the version's files, where MLflow's clients find them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensor_tables import table_of_rows
from tidewheel.registry.tensors import TensorSpec, shaped_rows


def sample_table(data: bytes, tensors: Sequence[TensorSpec] = ()) -> pa.Table | None:
    """The rows of an input example, or None if it is no table of plain values, or not of the signature's tensors."""
    try:
        document = json.loads(data)
        if tensors:
            return _of_tensors(document, tensors)
        names, rows = document["columns"], document["data"]
        if len(set(names)) != len(names) or any(len(row) != len(names) for row in rows):
            return None
        columns = [pa.array([row[place] for row in rows]) for place in range(len(names))]
        return pa.table(columns, names=[str(name) for name in names])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, InvalidInput, pa.ArrowException):
        return None


def _of_tensors(document: Any, tensors: Sequence[TensorSpec]) -> pa.Table:
    """Arrays by name; a lone one may have none."""
    named = document if isinstance(document, dict) else {tensors[0].name: document}
    parts = [shaped_rows(spec, np.array(named[spec.name], dtype=np.float64)) for spec in tensors]
    return table_of_rows(np.hstack(parts), tensors)
