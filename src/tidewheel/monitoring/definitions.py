"""The monitors there are, by type name, and their stored form: what a project declared, as JSON and back."""

from __future__ import annotations

from collections.abc import Sequence
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
    """What is kept of a loop's label."""

    name: str
    prediction: str | None


def describe(monitor: Any) -> dict[str, Any]:
    """A monitor's stored form: its type's name and its fields."""
    return {"type": type(monitor).__name__, "definition": asdict(monitor)}


def restore(label: dict[str, Any], stored: Sequence[tuple[str, dict[str, Any]]]) -> tuple[StoredLabel, list[Monitor]]:
    """The label and the monitors of their stored forms."""
    return StoredLabel(**label), [MONITORS[kind](**definition) for kind, definition in stored]
