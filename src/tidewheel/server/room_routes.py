"""A room's addresses, `/api/v1/<room>` and those below it, made when one of them is first asked for.

Working out with Pydantic what two hundred verbs take and answer takes longer than all else that a start does, and most
servers are asked by MLflow's clients alone. `app.build` puts one `RoomRoutes` in for each file of `routes/`, whose name
is the room's; `every_address` makes all of them, for the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from tidewheel.server import routes


class RoomRoutes(BaseRoute):
    """Stands in the application for all addresses of one room."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._address = f"/api/v1/{room}"
        self._router: APIRouter | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        ours = path == self._address or path.startswith(f"{self._address}/")
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._router is None:
            self._router = await run_in_threadpool(_router_of, self._room)
        await self._router(scope, receive, send)


def rooms() -> list[str]:
    """The rooms that have addresses."""
    return [module.name for module in iter_modules(routes.__path__)]


def every_address() -> Iterator[APIRouter]:
    """The addresses of all rooms."""
    return map(_router_of, rooms())


def _router_of(room: str) -> APIRouter:
    router: APIRouter = import_module(f"{routes.__name__}.{room}").router
    router.redirect_slashes = False  # as the application's own
    return router
