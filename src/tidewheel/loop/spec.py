"""A loop's declaration as plain JSON: what is journaled, shown and compared when a project changes.

It is what a store gives back, lists for tuples and all: otherwise every start of a controller would find it changed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from tidewheel.base.hashing import canonical_json
from tidewheel.loop.definition import Loop


def describe(loop: Loop) -> dict[str, Any]:
    """The declaration's parts by name; each monitor, trigger, gate and the rollout as its type and its values."""
    declared = {
        "endpoint": loop.endpoint,
        "features": {"name": loop.features.name, "hash": loop.features.hash},
        "pipeline": loop.pipeline.__name__,
        "label": asdict(loop.label),
        "rows": loop.rows.name,
        "window": loop.window,
        "min_rows": loop.min_rows,
        "holdout": loop.holdout,
        "monitors": [_part(monitor) for monitor in loop.monitors],
        "retrain": [_part(trigger) for trigger in loop.retrain],
        "gates": [_part(gate) for gate in loop.gates],
        "rollout": _part(loop.rollout),
        "serving": loop.serving.given(),
    }
    plain: dict[str, Any] = json.loads(canonical_json(declared))
    return plain


def _part(part: Any) -> dict[str, Any]:
    values = asdict(part) if is_dataclass(part) and not isinstance(part, type) else {}
    return {"type": type(part).__name__, **values}
