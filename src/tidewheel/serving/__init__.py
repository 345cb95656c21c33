"""Serving: endpoints, the routes between their versions, the inference workers that answer, and batch scoring.

Verbs: `Serving.create_endpoint | configure_endpoint | delete_endpoint | set_route | route | endpoints | publish |
applied | label | status`; `WorkerGroup` keeps workers running; `score` and `score_file` are the same code without a
socket. Owns `serving_endpoints`, `serving_options`, `serving_routes`, `serving_deployments` and the folder
`<home>/serving`. Emits
`serving.endpoint.created | configured | deleted` and `serving.route.changed`. Reads no events.

The control side writes one file, the snapshot, and workers (`serving/worker/`) read it: they go on serving the last
one when everything else is gone. Names are imported when first used: a worker needs no database library.
"""

from typing import TYPE_CHECKING, Any

from tidewheel.serving.options import DeclaredOptions, EndpointOptions
from tidewheel.serving.records import Endpoint, Route, RoutingUnit, ServingStatus, WorkerStatus

if TYPE_CHECKING:
    from tidewheel.serving.batch import BatchOptions, BatchResult, score, score_file
    from tidewheel.serving.service import Serving
    from tidewheel.serving.supervise import WorkerGroup

__all__ = [
    "BatchOptions",
    "BatchResult",
    "DeclaredOptions",
    "Endpoint",
    "EndpointOptions",
    "Route",
    "RoutingUnit",
    "Serving",
    "ServingStatus",
    "WorkerGroup",
    "WorkerStatus",
    "score",
    "score_file",
]
_LAZY = {
    "BatchOptions": "batch",
    "BatchResult": "batch",
    "Serving": "service",
    "WorkerGroup": "supervise",
    "score": "batch",
    "score_file": "batch",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"tidewheel.serving.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
