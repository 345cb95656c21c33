"""A loop's declaration as plain JSON: what is journaled, shown and compared when a project changes."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

from tidewheel.loop.definition import Loop


def describe(loop: Loop) -> dict[str, Any]:
    """The declaration's parts by name; each monitor, trigger, gate and the rollout as its type and its values."""
    return {
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
    }


def _part(part: Any) -> dict[str, Any]:
    values = asdict(part) if is_dataclass(part) and not isinstance(part, type) else {}
    return {"type": type(part).__name__, **values}
