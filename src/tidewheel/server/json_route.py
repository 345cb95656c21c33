"""A route whose body is JSON whatever its header calls it: `curl -d` says "form" unless told otherwise.

The engine makes every address of the API one of these. It opens nothing to other sites: a form that a foreign page
sends still carries its Origin, and `guard` refuses that before the verb is called.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

_JSON = (b"content-type", b"application/json")


class JsonRoute(APIRoute):
    """Reads the body as JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which is told that JSON comes."""
        handle = super().get_route_handler()

        async def enter(request: Request) -> Response:
            others = [header for header in request.scope["headers"] if header[0] != b"content-type"]
            return await handle(Request({**request.scope, "headers": [*others, _JSON]}, request.receive))

        return enter
