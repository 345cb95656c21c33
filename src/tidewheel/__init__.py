"""Tidewheel keeps machine-learning models right after they ship.

The public face: a sorted list of names, each loaded from its room when it is first used; importing does nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AB": "tidewheel.rollout",
    "Bias": "tidewheel.monitoring",
    "Canary": "tidewheel.rollout",
    "ConceptDrift": "tidewheel.monitoring",
    "DataDrift": "tidewheel.monitoring",
    "FeatureSet": "tidewheel.features",
    "FeatureView": "tidewheel.features",
    "Goal": "tidewheel.rollout",
    "Graph": "tidewheel.registry",
    "Label": "tidewheel.loop",
    "Loop": "tidewheel.loop",
    "PredictionDrift": "tidewheel.monitoring",
    "Quantize": "tidewheel.registry",
    "Serving": "tidewheel.serving:DeclaredOptions",
    "Shadow": "tidewheel.rollout",
    "TensorSpec": "tidewheel.registry",
    "Tolerance": "tidewheel.registry",
    "Uncertainty": "tidewheel.monitoring",
    "active_run": "tidewheel.tracking",
    "beats_champion": "tidewheel.loop",
    "connect": "tidewheel.client",
    "count": "tidewheel.features",
    "cron": "tidewheel.loop",
    "dataset": "tidewheel.data",
    "flush": "tidewheel.tracking",
    "last": "tidewheel.features",
    "latency_p99": "tidewheel.loop",
    "log_artifact": "tidewheel.tracking",
    "log_dict": "tidewheel.tracking",
    "log_figure": "tidewheel.tracking",
    "log_input": "tidewheel.tracking",
    "log_metric": "tidewheel.tracking",
    "log_metrics": "tidewheel.tracking",
    "log_model": "tidewheel.registry",
    "log_param": "tidewheel.tracking",
    "log_params": "tidewheel.tracking",
    "log_table": "tidewheel.tracking",
    "log_text": "tidewheel.tracking",
    "max": "tidewheel.features",
    "max_age": "tidewheel.loop",
    "mean": "tidewheel.features",
    "min": "tidewheel.features",
    "no_slice_worse_than": "tidewheel.loop",
    "nodes": "tidewheel.registry",
    "on_alert": "tidewheel.loop",
    "on_demand": "tidewheel.features",
    "open": "tidewheel.app:open_platform",
    "pipeline": "tidewheel.pipelines",
    "seed": "tidewheel.tracking",
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
    from tidewheel.base.draws import undisturbed_draws

    with undisturbed_draws():
        value = globals()[name] = getattr(import_module(module), attribute or name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from tidewheel.app import open_platform as open
    from tidewheel.client import connect as connect
    from tidewheel.data import dataset as dataset
    from tidewheel.features import (
        FeatureSet as FeatureSet,
        FeatureView as FeatureView,
        count as count,
        last as last,
        max as max,
        mean as mean,
        min as min,
        on_demand as on_demand,
        std as std,
        sum as sum,
    )
    from tidewheel.loop import (
        Label as Label,
        Loop as Loop,
        beats_champion as beats_champion,
        cron as cron,
        latency_p99 as latency_p99,
        max_age as max_age,
        no_slice_worse_than as no_slice_worse_than,
        on_alert as on_alert,
    )
    from tidewheel.monitoring import (
        Bias as Bias,
        ConceptDrift as ConceptDrift,
        DataDrift as DataDrift,
        PredictionDrift as PredictionDrift,
        Uncertainty as Uncertainty,
    )
    from tidewheel.pipelines import (
        pipeline as pipeline,
        step as step,
    )
    from tidewheel.registry import (
        Graph as Graph,
        Quantize as Quantize,
        TensorSpec as TensorSpec,
        Tolerance as Tolerance,
        log_model as log_model,
        nodes as nodes,
    )
    from tidewheel.rollout import (
        AB as AB,
        Canary as Canary,
        Goal as Goal,
        Shadow as Shadow,
        switchback as switchback,
    )
    from tidewheel.serving import DeclaredOptions as Serving
    from tidewheel.tracking import (
        active_run as active_run,
        flush as flush,
        log_artifact as log_artifact,
        log_dict as log_dict,
        log_figure as log_figure,
        log_input as log_input,
        log_metric as log_metric,
        log_metrics as log_metrics,
        log_param as log_param,
        log_params as log_params,
        log_table as log_table,
        log_text as log_text,
        seed as seed,
        set_tag as set_tag,
        set_tags as set_tags,
        start_run as start_run,
    )
