"""The addresses of serving's pages: one endpoint. Reading is all they do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tidewheel.server.pages.endpoints import endpoint_view
from tidewheel.server.pages.page_route import PageRoute, html
from tidewheel.server.pages.render import document

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/endpoints/{name}")
def endpoint(request: Request, name: str) -> Response:
    """One endpoint."""
    view = endpoint_view(request.app.state.platform, request.app.state.live.recorder, name)
    return html(document("endpoint.html", here="live", up="../", view=view))
