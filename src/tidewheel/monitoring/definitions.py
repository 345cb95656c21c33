"""The monitors there are, by type name, and their stored form: what a project declared, as JSON and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tidewheel.monitoring.bias import Bias
from tidewheel.monitoring.concept_drift import ConceptDrift
from tidewheel.monitoring.data_drift import DataDrift
from tidewheel.monitoring.prediction_drift import PredictionDrift
from tidewheel.monitoring.uncertainty import Uncertainty
from tidewheel.monitoring.watch import Monitor

MONITORS: dict[str, type] = {
    each.__name__: each for each in (Bias, ConceptDrift, DataDrift, PredictionDrift, Uncertainty)
}


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """What is kept of a loop's label: its name, and the output that predicts it (None: the last)."""

    name: str
    prediction: str | None


def describe(monitor: Any) -> dict[str, Any]:
    """A monitor's stored form: its type's name and its fields."""
    return {"type": type(monitor).__name__, "definition": asdict(monitor)}


def restore(kind: str, definition: dict[str, Any]) -> Monitor:
    """The monitor of a stored form."""
    monitor: Monitor = MONITORS[kind](**definition)
    return monitor
