"""Features, defined once: the same definition gives the training rows and the online row.

Verbs: `Features.apply | load | materialize | push | get | ls | history`, and for project files `FeatureView`,
`on_demand`, `FeatureSet` and the aggregations. Owns `features_sets` and `features_fillings`, and in the online store
the keys that begin with `v` and `s`. Emits `features.set.applied`. Reads no events.
"""

from tidewheel.features.aggregations import Aggregation, count, last, mean, std
from tidewheel.features.aggregations import maximum as max
from tidewheel.features.aggregations import minimum as min
from tidewheel.features.aggregations import total as sum
from tidewheel.features.feature_set import FeatureSet
from tidewheel.features.on_demand import OnDemand, on_demand
from tidewheel.features.plan import FeaturePlan
from tidewheel.features.push import push_rows
from tidewheel.features.records import FeatureSetRecord, FeatureValues, Filling, PushResult
from tidewheel.features.service import Features
from tidewheel.features.training_rows import TrainingRows
from tidewheel.features.view import FeatureView

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
