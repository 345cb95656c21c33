"""Infers what a dataset must be from rows that are known to be good. Pure; the outcome is meant to be read and edited.

Ranges leave room: a number may lie as far beyond the reference's least and greatest value as those lie apart, but what
was never negative stays so. A text column with few different values (at most 50, each seen about ten times or more) has
categories; a column whose values are all different, and are not fractions, is unique.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from tidewheel.data.records import ColumnContract, ColumnType, Contract

_MOST_CATEGORIES = 50
_SEEN_EACH = 10
_ENOUGH_FOR_UNIQUE = 100
_QUANTILES = {"p01": 0.01, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p99": 0.99}


def infer_contract(dataset: str, reference: str, rows: pa.Table) -> Contract:
    """The contract that `rows`, the commit `reference` of a dataset, meet with room to spare."""
    columns = tuple(_infer_column(name, rows[name]) for name in rows.column_names)
    return Contract(dataset=dataset, columns=columns, reference=reference)


def column_type(kind: pa.DataType) -> ColumnType:
    """What a contract calls an Arrow type."""
    tests: list[tuple[ColumnType, bool]] = [
        ("boolean", kinds.is_boolean(kind)),
        ("integer", kinds.is_integer(kind)),
        ("number", kinds.is_floating(kind) or kinds.is_decimal(kind)),
        ("text", kinds.is_string(kind) or kinds.is_large_string(kind)),
        ("instant", kinds.is_timestamp(kind)),
        ("date", kinds.is_date(kind)),
    ]
    return next((name for name, holds in tests if holds), "other")


def _infer_column(name: str, column: pa.ChunkedArray) -> ColumnContract:
    kind = column_type(column.type)
    minimum, maximum = _range(column) if kind in {"integer", "number"} else (None, None)
    return ColumnContract(
        name=name,
        type=kind,
        nullable=column.null_count > 0 or len(column) == 0,
        minimum=minimum,
        maximum=maximum,
        categories=_categories(column) if kind == "text" else None,
        unique=kind in {"integer", "text"} and _all_different(column),
        quantiles=_quantiles(column) if kind in {"integer", "number"} else {},
    )


def _range(column: pa.ChunkedArray) -> tuple[float | None, float | None]:
    numbers = _finite(column)
    if len(numbers) == 0:
        return None, None
    least, greatest = (float(bound) for bound in pc.min_max(numbers).as_py().values())
    room = greatest - least
    return max(0.0, least - room) if least >= 0 else least - room, greatest + room


def _quantiles(column: pa.ChunkedArray) -> dict[str, float]:
    numbers = _finite(column)
    if len(numbers) == 0:
        return {}
    values = pc.quantile(numbers, q=list(_QUANTILES.values())).to_pylist()
    return dict(zip(_QUANTILES, values, strict=True))


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    numbers = column.drop_null().cast(pa.float64(), safe=False)
    return numbers.filter(pc.is_finite(numbers))


def _categories(column: pa.ChunkedArray) -> tuple[str, ...] | None:
    values = column.drop_null().unique()
    if not 0 < len(values) <= min(_MOST_CATEGORIES, len(column) / _SEEN_EACH):
        return None
    return tuple(sorted(values.to_pylist()))


def _all_different(column: pa.ChunkedArray) -> bool:
    return len(column) >= _ENOUGH_FOR_UNIQUE and pc.count_distinct(column, mode="all").as_py() == len(column)
