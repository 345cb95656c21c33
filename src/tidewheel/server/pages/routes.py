"""The addresses of the pages. Reading them needs a viewer, as any GET; a browser shows its token by cookie.

Never changes anything but that cookie: a change is made through the API or the command line.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from tidewheel.base.errors import InvalidInput, NotAllowed, NotFound, Unauthenticated
from tidewheel.server.guard import COOKIE, caller_of
from tidewheel.server.pages import registry_routes, serving_routes, tracking_routes
from tidewheel.server.pages.assets import assets
from tidewheel.server.pages.charts import SeriesShelf
from tidewheel.server.pages.live import LiveViews
from tidewheel.server.pages.page_route import ReadingRoute
from tidewheel.server.pages.reference import reference
from tidewheel.server.pages.render import SECTIONS, document, page, section

router = APIRouter(include_in_schema=False, route_class=ReadingRoute)
_KEPT = {"Cache-Control": "no-cache", "Vary": "Cookie, Accept-Encoding"}


def install(app: FastAPI) -> None:
    """Add the pages to the application."""
    app.state.live = LiveViews(app.state.platform)
    app.state.series = SeriesShelf(app.state.platform)
    app.include_router(router)
    app.include_router(tracking_routes.router)
    app.include_router(registry_routes.router)
    app.include_router(serving_routes.router)


@router.get("/")
def live_page(request: Request, loop: str | None = None) -> Response:
    """The live page, or the sign-in where it needs one."""
    try:
        caller_of(request)
    except (Unauthenticated, NotAllowed) as error:
        return _html(document("sign_in.html", message=error.message), status=error.status)
    return _html(page(request.app.state.live.view(loop)))


@router.get("/live/{name}")
def live_section(request: Request, name: str, loop: str | None = None) -> Response:
    """One section of the live page; 304 if the browser shows it already."""
    caller_of(request)
    if name not in SECTIONS:
        raise NotFound(f"The live page has no section {name[:40]!r}.", fix=f"Its sections: {', '.join(SECTIONS)}.")
    html, etag = section(request.app.state.live.view(loop), name)
    headers = {"ETag": f'"{etag}"', **_KEPT}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(html, media_type="text/html", headers=headers)


@router.get("/docs")
def docs(request: Request) -> Response:
    """What every address takes and gives."""
    caller_of(request)
    return _html(document("docs.html", here="docs", rooms=reference(request.app.openapi())))


@router.get("/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    """A static file; kept for ever by the browser, since its address carries its hash."""
    found = assets().get(name)
    if found is None:
        raise NotFound(f"There is no static file {name[:80]!r}.")
    headers = {"ETag": f'"{found.etag}"', "Cache-Control": "public, max-age=31536000, immutable"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """The icon, for browsers that ask here without being told to."""
    return await static(request, "wheel.svg")


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Keep a token in a cookie that only this site's pages send, and go to the page."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    token = form.get("token", [""])[0].strip()
    if not token:
        raise InvalidInput("There was no token in the form.", fix="Paste one of `tidewheel tokens create`.")
    try:
        await run_in_threadpool(request.app.state.platform.governance.authenticate, token)
    except Unauthenticated as error:
        return _html(document("sign_in.html", message=error.message), status=401)
    response = Response(status_code=303, headers={"Location": "./"})
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=7 * 86400)
    return response


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status_code=status, media_type="text/html", headers=_KEPT)
