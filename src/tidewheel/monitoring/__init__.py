"""Monitoring: watches over data, predictions and performance, from the prediction log to alerts with evidence.

Verbs: `Monitoring.watch | run | report | evidence | alerts | acknowledge | resolve`; for project files `DataDrift`,
`PredictionDrift`, `ConceptDrift`, `Bias`, `Uncertainty`. Owns `monitoring_watches`, `monitoring_sketches`,
`monitoring_alerts`, `monitoring_evidence`. Emits `monitoring.watch.started`,
`monitoring.alert.raised | acknowledged | resolved`. Reads
`storage.log.crowded | eased`, and the prediction log.

A new monitor is a file with a frozen definition that fits `watch.Monitor`, and a row in `definitions.MONITORS`; the
laws in `tests/laws/test_monitor_laws.py` then ask for an example of it.
"""

from tidewheel.monitoring.bias import Bias
from tidewheel.monitoring.concept_drift import ConceptDrift
from tidewheel.monitoring.data_drift import DataDrift
from tidewheel.monitoring.prediction_drift import PredictionDrift
from tidewheel.monitoring.records import Alert, AlertState, EvidencePoint, Finding, Reading, ReadingState
from tidewheel.monitoring.service import Monitoring
from tidewheel.monitoring.uncertainty import Uncertainty
from tidewheel.monitoring.watch import LabelFacts, Monitor

__all__ = [
    "Alert",
    "AlertState",
    "Bias",
    "ConceptDrift",
    "DataDrift",
    "EvidencePoint",
    "Finding",
    "LabelFacts",
    "Monitor",
    "Monitoring",
    "PredictionDrift",
    "Reading",
    "ReadingState",
    "Uncertainty",
]
