"""A page's address: whoever may not look gets the sign-in, and what cannot be shown is said in words, not in JSON.

The route class of the pages' routers. Pages are read again at each visit, and forms on them tell where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from tidewheel.base.errors import InvalidInput, NotAllowed, NotFound, TidewheelError, Unauthenticated
from tidewheel.base.hashing import hash_bytes
from tidewheel.server.guard import caller_of
from tidewheel.server.pages.render import document

_HEADERS = {"Cache-Control": "no-cache", "Vary": "Cookie, Accept-Encoding", "Referrer-Policy": "same-origin"}


class ReadingRoute(APIRoute):
    """Answers HEAD wherever it answers GET, as what checks links and addresses asks; the server leaves the body out."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        methods = set(given.pop("methods", None) or ())
        super().__init__(path, endpoint, methods=methods | ({"HEAD"} if "GET" in methods else set()), **given)


class PageRoute(ReadingRoute):
    """Lets viewers in, and turns refusals into pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the door in front of it."""
        shown = super().get_route_handler()
        reading = "GET" in (self.methods or ())

        async def handle(request: Request) -> Response:
            try:
                if reading:
                    caller_of(request)
                return await shown(request)
            except (Unauthenticated, NotAllowed) as error:
                return html(document("sign_in.html", up=way_up(request), message=error.message), status=error.status)
            except TidewheelError as error:
                return refusal(request, error)
            except RequestValidationError as error:
                first = error.errors()[0]
                where = str(first["loc"][-1])
                return refusal(request, InvalidInput(f"{first['msg']}.", where=where, fix="Correct the address."))

        return handle


def refusal(request: Request, error: TidewheelError) -> Response:
    """What cannot be shown, as a page."""
    title = "There is no such thing here" if isinstance(error, NotFound) else "This cannot be shown"
    return html(document("error.html", up=way_up(request), title=title, error=error), status=error.status)


def way_up(request: Request) -> str:
    """From the page's address to the control plane's root: `./`, `../`, `../../`."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return "../" * (path.count("/") - 1) or "./"


def html(text: str, status: int = 200) -> Response:
    """A page as an answer."""
    return Response(text, status_code=status, media_type="text/html", headers=_HEADERS)


def kept(request: Request, body: str | bytes, media_type: str, etag: str | None = None) -> Response:
    """An answer with an ETag; 304 if the browser shows it already."""
    data = body.encode() if isinstance(body, str) else body
    etag = etag or hash_bytes(data)[:16]
    headers = {"ETag": f'"{etag}"', **_HEADERS}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
