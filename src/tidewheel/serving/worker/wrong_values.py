"""Says which value of a tensor's data is not of its datatype, as a person counts: `data[3]`, or `data[1][0]` in rows.

The fast decoder of `inference_codec` says only that an array is not what it reads, and where it gave up. Called after
that, on the event loop, so what is large is not looked through; only the first wrong value is named. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

MOST_BYTES = 1 << 20
"""Looking through more would keep other requests waiting: it takes about 0.15 s a MiB."""
_decode = msgspec.json.Decoder().decode
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


@dataclass(frozen=True, slots=True)
class WrongValue:
    """A value that a datatype does not take: where it is, and what is wrong with it."""

    place: str
    why: str
    fix: str


def find_wrong_value(data: msgspec.Raw, datatype: str, *, as_texts: bool = False) -> WrongValue | None:
    """The first value of a tensor's data that its datatype does not take; None where another thing is wrong, or in
    more than `MOST_BYTES`.

    Args:
        data: the JSON of the data: an array, or arrays within it.
        datatype: as in `Tensor.datatype`.
        as_texts: whether texts are read from it, which integers may stand for.
    """
    if len(data) > MOST_BYTES:
        return None
    try:
        values = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(values, list):
        return WrongValue("data", f"is {_named(values)} where an array is wanted", "Send a flat JSON array.")
    return _first_wrong(values, "data", _taken(datatype, as_texts), datatype)


def _first_wrong(values: list[Any], place: str, taken: Collection[type], datatype: str) -> WrongValue | None:
    for index, value in enumerate(values):
        if isinstance(value, list):
            found = _first_wrong(value, f"{place}[{index}]", taken, datatype)
            if found is not None:
                return found
        elif type(value) not in taken:
            return _explained(value, f"{place}[{index}]", datatype)
    return None


def _taken(datatype: str, as_texts: bool) -> Collection[type]:
    if datatype in _INTEGERS:
        return (int,)
    if as_texts:
        return (str,)
    return (bool,) if datatype == "BOOL" else (int, float, type(None))


def _explained(value: Any, place: str, datatype: str) -> WrongValue:
    wanted = {"BOOL": "true and false", "BYTES": "strings"}.get(datatype, "numbers")
    if datatype in _INTEGERS:
        wanted = f"{datatype}'s whole numbers"
        if isinstance(value, float):
            return WrongValue(place, f"is {value!r:.40}, and {datatype} takes whole numbers", "Send it as FP64.")
        if value is None:
            return WrongValue(place, f"is null, and {datatype} has no missing value", "Send it as FP64.")
    fix = "null is a missing number." if wanted == "numbers" else f"Send {wanted}."
    return WrongValue(place, f"is {_named(value)} where {wanted} are taken", fix)


def _named(value: Any) -> str:
    """What a JSON value is, in JSON's words."""
    if isinstance(value, str):
        return f"the string {value!r:.40}"
    if isinstance(value, dict):
        return "an object"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value!r:.40}"
