"""Features, defined once: the same definition gives the training rows and the online row.

Verbs: `Features.apply | load | materialize | push | get | ls | history`, and for project files `FeatureView`,
`on_demand`, `FeatureSet` and the aggregations. Owns `features_sets` and `features_fillings`, and in the online store
the keys that begin with `v` and `s`. Emits `features.set.applied`. Reads no events.

Names are loaded when used: an inference worker computes features and has no database.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.features.aggregations import (
        Aggregation,
        count,
        last,
        maximum as max,
        mean,
        minimum as min,
        std,
        total as sum,
    )
    from tidewheel.features.feature_set import FeatureSet
    from tidewheel.features.on_demand_feature import OnDemand, on_demand
    from tidewheel.features.plan import FeaturePlan
    from tidewheel.features.push import push_rows
    from tidewheel.features.records import FeatureSetRecord, FeatureValues, Filling, PushResult
    from tidewheel.features.service import Features
    from tidewheel.features.training_rows import TrainingRows
    from tidewheel.features.view import FeatureView

_HOMES = {
    "Aggregation": "aggregations",
    "FeaturePlan": "plan",
    "FeatureSet": "feature_set",
    "FeatureSetRecord": "records",
    "FeatureValues": "records",
    "FeatureView": "view",
    "Features": "service",
    "Filling": "records",
    "OnDemand": "on_demand_feature",
    "PushResult": "records",
    "TrainingRows": "training_rows",
    "count": "aggregations",
    "last": "aggregations",
    "max": "aggregations:maximum",
    "mean": "aggregations",
    "min": "aggregations:minimum",
    "on_demand": "on_demand_feature",
    "push_rows": "push",
    "std": "aggregations",
    "sum": "aggregations:total",
}
__all__ = [
    "Aggregation",
    "FeaturePlan",
    "FeatureSet",
    "FeatureSetRecord",
    "FeatureValues",
    "FeatureView",
    "Features",
    "Filling",
    "OnDemand",
    "PushResult",
    "TrainingRows",
    "count",
    "last",
    "max",
    "mean",
    "min",
    "on_demand",
    "push_rows",
    "std",
    "sum",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, inner = _HOMES[name].partition(":")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), inner or name)
    return value
