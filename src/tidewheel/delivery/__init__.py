"""Delivery: how well models are delivered, and the files that carry a project elsewhere.

Verbs: `Delivery.metrics` (deployment frequency, lead time, change failure rate, time to recover) and `export` (docker,
grafana, github-actions). Owns no tables and emits nothing. Reads `rollout.rollout.*`, `monitoring.alert.raised`,
`registry.version.registered` and `data.commit.*`.
"""

from tidewheel.delivery.records import DeliveryMetrics, Export, ExportKind, Spread
from tidewheel.delivery.service import Delivery

__all__ = ["Delivery", "DeliveryMetrics", "Export", "ExportKind", "Spread"]
