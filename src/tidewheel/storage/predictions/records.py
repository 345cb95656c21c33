"""What the prediction log holds. Written as MessagePack arrays: the order of fields is the format; new ones go last."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray


class Prediction(msgspec.Struct, array_like=True, frozen=True):
    """One answered row. `arm` is "live", "shadow" (mirrored, never answered) or "direct" (asked for by version)."""

    id: str
    at_us: int
    endpoint: str
    version: str
    arm: str
    unit: str
    """What the route was chosen by: the caller's key, or the switchback's cell."""
    status: int
    latency_us: int
    entities: dict[str, str]
    features: bytes
    """The model's inputs in the order of its signature, as little-endian float64; empty where the request had none."""
    outputs: bytes
    """The model's outputs as little-endian float64; empty where it failed."""

    def feature_values(self) -> NDArray[np.float64]:
        """The features as numbers."""
        return np.frombuffer(self.features, dtype="<f8")

    def output_values(self) -> NDArray[np.float64]:
        """The outputs as numbers."""
        return np.frombuffer(self.outputs, dtype="<f8")


class Label(msgspec.Struct, array_like=True, frozen=True):
    """What turned out to be true about the prediction `id`, for instance ``{"accepted": 1.0, "value": 12.5}``."""

    id: str
    at_us: int
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class LogBatch:
    """What `PredictionLog.read` found after a cursor; `more` says that reading again at once will find more."""

    predictions: list[Prediction]
    labels: list[Label]
    cursor: dict[str, int]
    more: bool
