"""The OpenAPI document: the control plane's own addresses, those of every room and MLflow's wire, told when asked for.

FastAPI describes an application of its own that never serves: the one that does makes a room's addresses late.
"""

from __future__ import annotations

import functools
from typing import Any

from fastapi import FastAPI

from tidewheel.server import health
from tidewheel.server.mlflow.openapi import describe
from tidewheel.server.room_routes import every_address


def new_app(**more: Any) -> FastAPI:
    """An application without addresses, by the control plane's name."""
    return FastAPI(
        title="Tidewheel",
        summary="Keeps machine-learning models right after they ship.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        **more,
    )


@functools.cache
def document() -> dict[str, Any]:
    """The document, the same in every process."""
    app = new_app()
    for router in (health.router, *every_address()):
        app.include_router(router)
    told = app.openapi()
    paths, schemas = describe()
    told["paths"].update(paths)
    told["components"]["schemas"].update(schemas)
    return told
