"""Holds rows against a contract: each rule that does not hold is named with its column, how often, and example rows.

Pure; called before rows are appended and when a version is validated. Uniqueness is checked within the rows given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.base.errors import InvalidInput
from tidewheel.data.infer_contract import column_type
from tidewheel.data.records import ColumnContract, Contract, RuleName, ValidationReport, Violation

_EXAMPLES = 5
_SHOWN_CHARACTERS = 80


def check_contract(contract: Contract, ref: str, rows: pa.Table) -> ValidationReport:
    """What of a contract the rows do not meet."""
    violations = tuple(_violations(contract, rows))
    return ValidationReport(contract.dataset, ref, rows.num_rows, not violations, violations)


def refuse_violations(report: ValidationReport) -> None:
    """Raise if a report has violations, naming each.

    Raises:
        InvalidInput: column, rule, count and examples of each.
    """
    if not report.passed:
        raise InvalidInput(
            f"The rows break the contract of {report.dataset!r}: {' '.join(v.message for v in report.violations)}",
            where=report.ref,
            fix="Mend the rows, or set another contract.",
        )


def _violations(contract: Contract, rows: pa.Table) -> Iterator[Violation]:
    for column in contract.columns:
        if column.name not in rows.column_names:
            yield Violation(column.name, "present", rows.num_rows, f"The column {column.name!r} is missing.")
        else:
            yield from _column_violations(column, rows)
    known = {column.name for column in contract.columns}
    if not contract.other_columns:
        for name in rows.column_names:
            if name not in known:
                yield Violation(name, "no other columns", rows.num_rows, f"The column {name!r} is not in it.")


def _column_violations(column: ColumnContract, rows: pa.Table) -> Iterator[Violation]:
    values = rows[column.name]
    found = column_type(values.type)
    # Whole numbers do where fractions may stand; a column of nothing but nulls has no type yet.
    if found != column.type and not (found == "integer" and column.type == "number") and not _is_empty(values):
        message = f"The column {column.name!r} must be {column.type} and is {found}."
        yield Violation(column.name, "type", rows.num_rows, message)
        return
    if not column.nullable:
        yield from _broken(column, "not null", values.is_null(), rows, "is missing")
    if _is_empty(values):
        return
    # NaN is beyond no bound: it is a missing number, which is the business of "not null" in the source.
    if column.minimum is not None:
        bound = pa.scalar(column.minimum, pa.float64())
        below = pc.less(values.cast(pa.float64(), safe=False), bound)
        yield from _broken(column, "minimum", below, rows, f"is below {column.minimum:g}")
    if column.maximum is not None:
        bound = pa.scalar(column.maximum, pa.float64())
        above = pc.greater(values.cast(pa.float64(), safe=False), bound)
        yield from _broken(column, "maximum", above, rows, f"is above {column.maximum:g}")
    if column.categories is not None:
        known = pc.is_in(values, pa.array(column.categories, values.type))
        unknown = pc.and_(pc.invert(known), values.is_valid())
        yield from _broken(column, "categories", unknown, rows, f"is none of {_listed(column.categories)}")
    if column.unique:
        yield from _broken(column, "unique", _repeated(values), rows, "is there more than once")


def _is_empty(values: pa.ChunkedArray) -> bool:
    return bool(values.null_count == len(values))


def _repeated(values: pa.ChunkedArray) -> pa.ChunkedArray:
    counts = values.drop_null().value_counts()
    often = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    return pc.is_in(values, often)


def _broken(column: ColumnContract, rule: RuleName, mask: Any, rows: pa.Table, wrong: str) -> Iterator[Violation]:
    places = pc.indices_nonzero(pc.fill_null(mask, False))
    count = len(places)
    if count:
        few = places.slice(0, _EXAMPLES)
        examples = tuple(
            {"row": place, **_shortened(row)}
            for place, row in zip(few.to_pylist(), rows.take(few).to_pylist(), strict=True)
        )
        shown = ", ".join(f"row {example['row']}: {example[column.name]!r}" for example in examples[:3])
        message = f"{column.name!r} {wrong} in {count} of {rows.num_rows} rows ({shown})."
        yield Violation(column.name, rule, count, message, examples)


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[:_SHOWN_CHARACTERS] + "…" if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS else value
        for name, value in row.items()
    }


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values[:10]) + (f" and {len(values) - 10} more" if len(values) > 10 else "")
