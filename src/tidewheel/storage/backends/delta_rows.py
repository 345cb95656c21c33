"""Brings Arrow rows to the types that a Delta table can hold and to the columns that the table already has.

Called by `delta_tables` before each write. Delta knows UTC instants in microseconds, signed integers and plain strings;
what has no exact counterpart is refused by column and type, never bent silently.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.types as kinds

from tidewheel.base.errors import InvalidInput

INSTANT = pa.timestamp("us", tz="UTC")
_WIDENED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def storable(rows: pa.Table, present: pa.Schema | None) -> pa.Table:
    """`rows` with storable types; where the table is there already (`present`), in its types and order of columns.

    A column that the rows lack becomes null, one that the table lacks comes last.

    Raises:
        InvalidInput: if a column has a type that cannot be stored, or values that its column cannot hold.
    """
    names = rows.column_names
    known = {} if present is None else {field.name: field.type for field in present}
    _check_names([*names, *(name for name in known if name not in names)], "Two columns")
    columns = {name: _cast(name, rows[name], known.get(name) or _storable_type(name, rows)) for name in names}
    missing = {name: pa.nulls(rows.num_rows, kind) for name, kind in known.items() if name not in columns}
    ordered = [*known, *(name for name in names if name not in known)]
    return pa.table({name: columns[name] if name in columns else missing[name] for name in ordered})


def _storable_type(name: str, rows: pa.Table) -> pa.DataType:
    kind = rows.schema.field(name).type
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    if kinds.is_timestamp(kind):
        return INSTANT
    if kinds.is_null(kind):
        raise InvalidInput(
            f"The column {name!r} is new and has no value at all, so its type is unknown.",
            fix="Give it a type (pyarrow.nulls(n, type)) or leave it out.",
        )
    _check_holdable(name, kind)
    return _WIDENED.get(kind, kind)


def _cast(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    # An instant may lose its nanoseconds, since microseconds are what the platform keeps; nothing else may lose any.
    shortens = kinds.is_timestamp(column.type) and kind == INSTANT
    try:
        return column.cast(kind, safe=not shortens)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"The column {name!r} holds {kind} and was given {column.type}: {error}.", fix="Convert it first."
        ) from None


def _check_holdable(name: str, kind: pa.DataType) -> None:
    """Refuse a type that Delta or Parquet does not know, however deep within a column it is."""
    if kinds.is_time(kind) or kinds.is_duration(kind) or kinds.is_interval(kind):
        raise InvalidInput(f"The column {name!r} is {kind}, which a table cannot hold.", fix="Store it as a number.")
    if kinds.is_decimal256(kind) or kinds.is_union(kind):
        raise InvalidInput(f"The column {name!r} is {kind}, which a table cannot hold.", fix="Store it as text.")
    if kinds.is_struct(kind):
        if not kind.num_fields:
            raise InvalidInput(
                f"The column {name!r} holds objects without any field, which a table cannot hold.",
                fix="Leave it out, or give the objects a field.",
            )
        _check_names([field.name for field in kind], f"Two fields of the column {name!r}")
    for place in range(kind.num_fields):
        _check_holdable(name, kind.field(place).type)


def _check_names(names: Sequence[str], what: str) -> None:
    """Refuse names that Delta takes for the same one: it does not tell capitals from small letters."""
    taken: dict[str, str] = {}
    for name in names:
        if name.lower() in taken:
            raise InvalidInput(
                f"{what} have the same name: {taken[name.lower()]!r}, {name!r}.", fix="Rename one of them."
            )
        taken[name.lower()] = name
