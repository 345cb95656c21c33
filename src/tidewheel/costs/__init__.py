"""Costs: what loops, pipeline runs and endpoints use, priced.

Verbs: `Costs.record`, `meter`, `summary`. Owns `costs_items` and `costs_readings`. Emits nothing: use is a measurement,
not a change of state. Reads `pipelines.step.*` (CPU time of steps), `loop.turn.*` and `loop.loop.declared` (whose it
is).
"""

from tidewheel.costs.records import CostGrouping, CostItem, CostKind, CostLine, CostSummary, Meterable
from tidewheel.costs.service import Costs

__all__ = ["CostGrouping", "CostItem", "CostKind", "CostLine", "CostSummary", "Costs", "Meterable"]
