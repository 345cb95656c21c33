"""What a comparison of the filter grammar means to a column. The search stores build their statements with it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from tidewheel.base.filter_grammar import Comparison


def compared(column: ColumnElement[Any], comparison: Comparison) -> ColumnElement[bool]:
    """The condition that a comparison puts on a column. LIKE minds case, ILIKE does not, on every database."""
    value = comparison.value
    match comparison.operator:
        case "=":
            return column == value
        case "!=":
            return column != value
        case "<":
            return column < value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case ">=":
            return column >= value
        case "LIKE":
            return column.like(str(value))
        case "ILIKE":
            return column.ilike(str(value))
        case "IN" | "NOT IN" if isinstance(value, tuple):
            return column.in_(value) if comparison.operator == "IN" else column.not_in(value)
    raise AssertionError(f"The grammar has no operator {comparison.operator!r}.")


def ordered(column: ColumnElement[Any], *, ascending: bool) -> ColumnElement[Any]:
    """A column to sort by, in a direction."""
    return column.asc() if ascending else column.desc()
