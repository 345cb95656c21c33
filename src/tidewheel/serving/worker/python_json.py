"""JSON as Python's own library writes it: with `NaN`, which is no JSON, for a missing number.

tritonclient and MLflow's client send it. Bodies are read by a strict and fast parser; only what that refuses, and what
holds a NaN, comes here to be written again with null.
"""

from __future__ import annotations

import json

import msgspec


def with_nulls(body: bytes | memoryview) -> bytes | None:
    """The body with null for each NaN; None if it has none, or is wrong in another way too."""
    data = bytes(body)
    if b"NaN" not in data:
        return None
    try:
        return msgspec.json.encode(json.loads(data, parse_constant=_constant))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _constant(text: str) -> None:
    if text != "NaN":
        raise ValueError(f"{text} is no number that JSON can hold")
