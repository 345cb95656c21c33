"""A view's events as arrays, from dataset rows: keys as codes, instants in microseconds, values as float64.

Rows without a key or an instant are no events of the view. Used by `point_in_time` and `materialize`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.features.tile_layout import Floats, Ints
from tidewheel.features.view import FeatureView


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one view by key and then by instant; those of one instant stay in the dataset's order.

    `codes` point into `keys`; `values` holds a column each, NaN where the value is missing or not finite.
    """

    keys: pa.Array
    codes: Ints
    at_us: Ints
    values: dict[str, Floats]


def events_of(view: FeatureView, rows: pa.Table) -> Events:
    """The events of a view in rows of its source."""
    keys, instants = as_keys(rows[view.entity]), as_us(view.timestamp, rows[view.timestamp])
    whole = pc.and_(keys.is_valid(), instants.is_valid())
    if not pc.all(whole).as_py():
        rows, keys, instants = rows.filter(whole), keys.filter(whole), instants.filter(whole)
    coded = pc.dictionary_encode(keys).combine_chunks()
    encoded = coded if isinstance(coded, pa.DictionaryArray) else coded.chunk(0)
    codes, at_us = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), instants.to_numpy()
    order = _order(codes, at_us, len(encoded.dictionary))
    values = {column: as_floats(column, rows[column])[order] for column in view.columns}
    return Events(encoded.dictionary, codes[order], at_us[order], values)


def as_keys(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Entity keys as text."""
    return column if column.type == pa.string() else column.cast(pa.string())


def as_us(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants as microseconds since 1970."""
    if not kinds.is_timestamp(column.type):
        raise InvalidInput(f"The column {name!r} is {column.type}, not an instant.", fix="Name a timestamp column.")
    return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())


def as_floats(name: str, column: pa.ChunkedArray) -> Floats:
    """Numbers as float64, NaN where missing or not finite."""
    numbers = as_numbers(name, column)
    finite = np.isfinite(numbers)
    return numbers if finite.all() else np.where(finite, numbers, np.nan)


def as_numbers(name: str, column: pa.ChunkedArray) -> Floats:
    """Numbers (also booleans) as float64, NaN where missing."""
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_boolean(column.type)):
        raise InvalidInput(f"The column {name!r} is {column.type}, not a number.", fix="Name a column of numbers.")
    if kinds.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _order(codes: Ints, at_us: Ints, key_count: int) -> NDArray[np.intp]:
    """Stable order by key, then instant; datasets mostly come in order of time, and few keys sort by radix."""
    small = codes.astype(np.uint16) if key_count <= 2**16 else codes
    if len(at_us) < 2 or bool((at_us[1:] >= at_us[:-1]).all()):
        return np.argsort(small, kind="stable")
    by_time = np.argsort(at_us, kind="stable")
    return by_time[np.argsort(small[by_time], kind="stable")]
