"""Whether bytes are one whole UBJSON document, as far as XGBoost uses it (https://ubjson.org).

XGBoost's own reader may turn for ever on a file that was cut short, so its length and shape are looked at first. Values
are stepped over, not kept: a model of a thousand trees takes some milliseconds. Pure.
"""

from __future__ import annotations

from tidewheel.base.errors import Corrupt

_SIZES = {"i": 1, "U": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8, "C": 1, "Z": 0, "T": 0, "F": 0, "N": 0}
_INTEGERS = "iUIlL"
_DEEPEST = 64


def check_whole(data: bytes) -> None:
    """Refuse bytes that are not one document from first to last.

    Raises:
        Corrupt: if they are cut short, have something behind them, or are not UBJSON.
    """
    try:
        end = _value(data, 1, chr(data[0]), 0)
    except (IndexError, KeyError, ValueError):
        end = -1
    if end != len(data):
        raise Corrupt("The model file is cut short, or is not XGBoost's UBJSON.", fix="Register the model again.")


def _value(data: bytes, at: int, kind: str, depth: int) -> int:
    """Where the value that begins behind its kind ends."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if kind in _SIZES:
        return at + _SIZES[kind]
    if kind == "S":
        length, at = _integer(data, at)
        return at + length
    if kind == "{":
        return _object(data, at, depth + 1)
    if kind == "[":
        return _array(data, at, depth + 1)
    raise ValueError(kind)


def _object(data: bytes, at: int, depth: int) -> int:
    while data[at] != 0x7D:
        length, at = _integer(data, at)
        at += length
        at = _value(data, at + 1, chr(data[at]), depth)
    return at + 1


def _array(data: bytes, at: int, depth: int) -> int:
    kind = ""
    if data[at] == 0x24:
        kind, at = chr(data[at + 1]), at + 2
    if data[at] != 0x23:
        while data[at] != 0x5D:
            at = _value(data, at + 1, chr(data[at]), depth)
        return at + 1
    count, at = _integer(data, at + 1)
    if kind:
        return at + count * _SIZES[kind]
    for _ in range(count):
        at = _value(data, at + 1, chr(data[at]), depth)
    return at


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """A length or count, and where it ends."""
    kind = chr(data[at])
    if kind not in _INTEGERS:
        raise ValueError(kind)
    end = at + 1 + _SIZES[kind]
    number = int.from_bytes(data[at + 1 : end], "big")
    if end > len(data) or number > len(data):
        raise ValueError("beyond the end")
    return number, end
