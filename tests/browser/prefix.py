"""A reverse proxy's view of the control plane: everything lies below a prefix, and nothing else is there.

Proxies do it in two ways: they cut the prefix off and say nothing, or they say so (`root_path`) and leave it in place.
"""

from __future__ import annotations

from typing import Literal

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/tools/wheel"
Way = Literal["cut off", "told"]


class BehindPrefix:
    """Hands on what lies below the prefix; answers 404 to all else."""

    def __init__(self, app: ASGIApp, way: Way) -> None:
        self._app = app
        self._way = way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(f"{PREFIX}/"):
            await PlainTextResponse("The proxy knows nothing here.", 404)(scope, receive, send)
            return
        below = scope["path"].removeprefix(PREFIX)
        cut = {"path": below, "raw_path": below.encode()}
        await self._app({**scope, **(cut if self._way == "cut off" else {"root_path": PREFIX})}, receive, send)
