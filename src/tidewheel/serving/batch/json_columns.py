"""What the values of a key have in common over all records of a JSON Lines file, and the Arrow column that they become.

Whole numbers stay whole, numbers are float64, truth values and texts stay what they are, and lists of numbers, however
deep, are lists. Where one key holds several of these, its column is text: the model still takes what is a number of it,
and only other rows are bad. What is nested otherwise is kept as JSON text, and is JSON again in a target of JSON Lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput

JSON_TEXT = {b"tidewheel": b"json"}
"""The metadata of a column of text whose values are JSON."""

MAX_KEYS = 10_000
_MAX_DEPTH = 16
_INT64 = 2**63
_WHOLE, _NUMBER, _TEXT, _TRUTH, _LARGE, _EMPTY, _OTHER = "whole", "number", "text", "truth", "large", "empty", "other"
_SCALARS = frozenset({_WHOLE, _NUMBER, _TEXT, _TRUTH, _LARGE})
_KIND_OF_TYPE = {float: _NUMBER, str: _TEXT, bool: _TRUTH}
_encode = msgspec.json.Encoder().encode

Record = Mapping[str, Any]


class JsonColumns:
    """The keys that were seen, in the order in which they came, each with the kinds of its values."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = {}

    def look(self, records: Sequence[Record]) -> None:
        """Take further records into account.

        Raises:
            InvalidInput: if there are more keys than a table should have columns.
        """
        kinds = self._kinds
        for record in records:
            for name, value in record.items():
                known = kinds.get(name)
                if known is None:
                    known = kinds[name] = set()
                if value is not None:
                    known.add(_KIND_OF_TYPE.get(type(value)) or _kind_of(value))
        if len(kinds) > MAX_KEYS:
            raise InvalidInput(f"The records have more than {MAX_KEYS:,} different keys.", fix="Nest what is a map.")

    def schema(self, inputs: Set[str] = frozenset()) -> Any:
        """The Arrow schema of what was seen. Of a model's `inputs`, one of lists of numbers holds nothing else."""
        import pyarrow as pa

        return pa.schema([_field(name, kinds, name in inputs) for name, kinds in self._kinds.items()])


def column_of(field: Any, records: Sequence[Record]) -> Any:
    """The Arrow array of a column over records; a key that one lacks is null.

    Raises:
        ValueError: if a list holds what is no number, or is not as deep as others.
    """
    import pyarrow as pa

    values = [record.get(field.name) for record in records]
    if field.metadata == JSON_TEXT:
        return pa.array([None if value is None else _encode(value).decode() for value in values], field.type)
    if pa.types.is_float64(field.type):
        return pa.array([None if value is None else float(value) for value in values], field.type)
    if pa.types.is_string(field.type):
        return pa.array([None if value is None else _text(value) for value in values], field.type)
    try:
        return pa.array(values, field.type)
    except pa.ArrowException as error:
        raise ValueError(f"The value of {field.name!r} is no list of numbers like others: {error}") from None


def _field(name: str, kinds: set[str], is_input: bool) -> Any:
    import pyarrow as pa

    if kinds == {_WHOLE}:
        return pa.field(name, pa.int64())
    if kinds == {_TRUTH}:
        return pa.field(name, pa.bool_())
    if kinds and kinds <= {_WHOLE, _NUMBER}:
        return pa.field(name, pa.float64())
    if kinds <= _SCALARS:
        return pa.field(name, pa.string())
    depths = {int(kind) for kind in kinds if kind.isdigit()}
    if len(depths) != 1 or not (is_input or all(kind.isdigit() or kind == _EMPTY for kind in kinds)):
        return pa.field(name, pa.string(), metadata=JSON_TEXT)
    nested = pa.float64()
    for _ in range(depths.pop()):
        nested = pa.list_(nested)
    return pa.field(name, nested)


def _kind_of(value: Any) -> str:
    """The kind of a whole number, a list or an object; of a list of numbers its depth."""
    if isinstance(value, int):
        return _WHOLE if -_INT64 <= value < _INT64 else _LARGE
    depth = 0
    while isinstance(value, list):
        if not value:
            return _EMPTY
        value, depth = value[0], depth + 1
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(depth) if is_number and depth <= _MAX_DEPTH else _OTHER


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()
