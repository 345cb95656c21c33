"""Tidewheel keeps machine-learning models right after they ship.

The public face: a sorted list of names, each loaded from its room when it is first used; importing does nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Bias": "tidewheel.monitoring",
    "Canary": "tidewheel.rollout",
    "ConceptDrift": "tidewheel.monitoring",
    "DataDrift": "tidewheel.monitoring",
    "FeatureSet": "tidewheel.features",
    "FeatureView": "tidewheel.features",
    "Freshness": "tidewheel.monitoring",
    "Label": "tidewheel.loop",
    "Loop": "tidewheel.loop",
    "PredictionDrift": "tidewheel.monitoring",
    "Skew": "tidewheel.monitoring",
    "Uncertainty": "tidewheel.monitoring",
    "active_run": "tidewheel.tracking",
    "beats_champion": "tidewheel.loop",
    "connect": "tidewheel.client",
    "count": "tidewheel.features",
    "cron": "tidewheel.loop",
    "dataset": "tidewheel.data",
    "last": "tidewheel.features",
    "latency_p99": "tidewheel.loop",
    "log_artifact": "tidewheel.tracking",
    "log_metric": "tidewheel.tracking",
    "log_metrics": "tidewheel.tracking",
    "log_model": "tidewheel.registry",
    "log_param": "tidewheel.tracking",
    "log_params": "tidewheel.tracking",
    "max": "tidewheel.features",
    "max_age": "tidewheel.loop",
    "mean": "tidewheel.features",
    "min": "tidewheel.features",
    "no_slice_worse_than": "tidewheel.loop",
    "on_alert": "tidewheel.loop",
    "on_demand": "tidewheel.features",
    "open": "tidewheel.app:open_platform",
    "pipeline": "tidewheel.pipelines",
    "set_tag": "tidewheel.tracking",
    "set_tags": "tidewheel.tracking",
    "start_run": "tidewheel.tracking",
    "std": "tidewheel.features",
    "step": "tidewheel.pipelines",
    "sum": "tidewheel.features",
    "switchback": "tidewheel.rollout",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    try:
        module, _, attribute = _HOMES[name].partition(":")
    except KeyError:
        raise AttributeError(f"module 'tidewheel' has no attribute {name!r}") from None
    value = globals()[name] = getattr(import_module(module), attribute or name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from tidewheel.app import open_platform as open  # noqa: F401
    from tidewheel.client import connect as connect
    from tidewheel.data import dataset as dataset
    from tidewheel.features import (
        FeatureSet as FeatureSet,
    )
    from tidewheel.features import (
        FeatureView as FeatureView,
    )
    from tidewheel.features import (
        count as count,
    )
    from tidewheel.features import (
        last as last,
    )
    from tidewheel.features import (
        max as max,
    )
    from tidewheel.features import (
        mean as mean,
    )
    from tidewheel.features import (
        min as min,
    )
    from tidewheel.features import (
        on_demand as on_demand,
    )
    from tidewheel.features import (
        std as std,
    )
    from tidewheel.features import (
        sum as sum,
    )
    from tidewheel.loop import (
        Label as Label,
    )
    from tidewheel.loop import (
        Loop as Loop,
    )
    from tidewheel.loop import (
        beats_champion as beats_champion,
    )
    from tidewheel.loop import (
        cron as cron,
    )
    from tidewheel.loop import (
        latency_p99 as latency_p99,
    )
    from tidewheel.loop import (
        max_age as max_age,
    )
    from tidewheel.loop import (
        no_slice_worse_than as no_slice_worse_than,
    )
    from tidewheel.loop import (
        on_alert as on_alert,
    )
    from tidewheel.monitoring import (
        Bias as Bias,
    )
    from tidewheel.monitoring import (
        ConceptDrift as ConceptDrift,
    )
    from tidewheel.monitoring import (
        DataDrift as DataDrift,
    )
    from tidewheel.monitoring import (
        Freshness as Freshness,
    )
    from tidewheel.monitoring import (
        PredictionDrift as PredictionDrift,
    )
    from tidewheel.monitoring import (
        Skew as Skew,
    )
    from tidewheel.monitoring import (
        Uncertainty as Uncertainty,
    )
    from tidewheel.pipelines import pipeline as pipeline
    from tidewheel.pipelines import step as step
    from tidewheel.registry import log_model as log_model
    from tidewheel.rollout import Canary as Canary
    from tidewheel.rollout import switchback as switchback
    from tidewheel.tracking import (
        active_run as active_run,
    )
    from tidewheel.tracking import (
        log_artifact as log_artifact,
    )
    from tidewheel.tracking import (
        log_metric as log_metric,
    )
    from tidewheel.tracking import (
        log_metrics as log_metrics,
    )
    from tidewheel.tracking import (
        log_param as log_param,
    )
    from tidewheel.tracking import (
        log_params as log_params,
    )
    from tidewheel.tracking import (
        set_tag as set_tag,
    )
    from tidewheel.tracking import (
        set_tags as set_tags,
    )
    from tidewheel.tracking import (
        start_run as start_run,
    )
