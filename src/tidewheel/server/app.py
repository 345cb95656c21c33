"""Builds the control plane over an open platform. `python -m tidewheel.server` and the tests are its callers.

It only puts together: rooms' routes (discovered in `routes/`, made when asked for), the page, health and metrics,
errors, bounds. What an address does is never said here but in the room's verb.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from tidewheel.server import answers, health, pages
from tidewheel.server.document import document, new_app
from tidewheel.server.guard import is_loopback
from tidewheel.server.limits import Limits, Traffic
from tidewheel.server.mlflow.wire import MLflowWire
from tidewheel.server.room_routes import RoomRoutes, rooms
from tidewheel.server.webhook_rounds import WebhookRounds

if TYPE_CHECKING:
    from tidewheel.app import Platform

_GZIP_FROM_BYTES = 1024


def build(platform: Platform, *, host: str = "127.0.0.1") -> FastAPI:
    """The control plane's application; `host` is the address it will be bound to."""
    app = new_app(lifespan=_life)
    traffic = Traffic()
    app.state.platform = platform
    app.state.traffic = traffic
    app.state.needs_token = not is_loopback(host)
    answers.install(app)
    app.include_router(health.router)
    app.router.routes.extend(map(RoomRoutes, rooms()))
    pages.install(app)
    app.openapi = document  # type: ignore[method-assign]
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES)
    app.add_middleware(MLflowWire, platform=platform)
    app.add_middleware(
        Limits,
        max_body_bytes=platform.settings.get("server.max_body_bytes", int),
        max_artifact_bytes=platform.settings.get("server.max_artifact_bytes", int),
        traffic=traffic,
    )
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    """The page's recorder and the rounds of webhooks live as long as the application serves."""
    app.state.live.recorder.start()
    rounds = WebhookRounds(app.state.platform.webhooks)
    rounds.start()
    yield
    await run_in_threadpool(rounds.stop)
    await run_in_threadpool(app.state.live.recorder.stop)
