"""JSON as it crosses a door: what the server answers, what the client sends, what `--json` prints.

JSON has no word for NaN and the infinities, and a metric may be either, so they travel as the texts "NaN", "Infinity"
and "-Infinity", which both sides read back as numbers where a number is due. Instants are ISO 8601.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec


def to_json(value: object) -> bytes:
    """A verb's argument or result as JSON."""
    return msgspec.json.encode(_finite(msgspec.to_builtins(value, enc_hook=_plain)))


def from_json(data: bytes, kind: Any) -> Any:
    """JSON as the type that a verb's hint names."""
    return msgspec.convert(msgspec.json.decode(data), kind, strict=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself: numpy scalars and arrays, read-only mappings, paths."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"A {type(value).__name__} is not JSON.")
