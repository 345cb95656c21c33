"""A routed request as every version needs it, and what is logged of one that was computed.

Shared by the live path (`predict`), mirrored requests (`shadows`) and nothing else. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidewheel.serving.worker.model_inputs import Inputs
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.storage.predictions.records import Prediction


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint: its id, its instant, the unit that it was routed by, and its inputs."""

    id: str
    at_us: int
    endpoint: str
    unit: str
    inputs: Inputs


@dataclass(slots=True)
class Outcome:
    """What a version made of a call. `outputs` is None where it failed; then `rows` may be empty too."""

    status: int
    latency_s: float
    rows: NDArray[np.float64]
    entities: dict[str, list[str]]
    outputs: NDArray[np.float64] | None


def records_of(call: Call, version: LoadedVersion, arm: str, outcome: Outcome) -> list[Prediction]:
    """A record a row: `<id>` for a lone row, `<id>:<i>` for row i of many."""
    rows, entities, outputs = outcome.rows, outcome.entities, outcome.outputs
    fixed = (call.at_us, call.endpoint, version.id, arm, call.unit, outcome.status, round(outcome.latency_s * 1e6))
    if len(rows) == 1:
        keys = {name: values[0] for name, values in entities.items()} if entities else entities
        answer = b"" if outputs is None else outputs.tobytes()
        return [Prediction(call.id, *fixed, keys, rows.tobytes(), answer)]  # type: ignore[arg-type]
    return [
        Prediction(
            f"{call.id}:{row}",
            *fixed,
            {name: values[row] for name, values in entities.items()},
            rows[row].tobytes(),
            b"" if outputs is None else outputs[row].tobytes(),
        )
        for row in range(len(rows))
    ]


NO_ROWS = np.empty((1, 0))
"""Stands for the rows of a request that failed before it had any: one record, no features."""
