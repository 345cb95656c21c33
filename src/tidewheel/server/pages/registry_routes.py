"""The addresses of the registry's pages: models, one model, one version. Reading is all they do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from tidewheel.server.pages.models import model_view, models_view, version_view
from tidewheel.server.pages.page_route import PageRoute, html
from tidewheel.server.pages.render import document

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/models")
def models(request: Request, search: str = "") -> Response:
    """All models."""
    view = models_view(request.app.state.platform, search.strip())
    return html(document("models.html", here="models", view=view))


@router.get("/models/{name}")
def model(request: Request, name: str) -> Response:
    """One model and its versions."""
    view = model_view(request.app.state.platform, name)
    return html(document("model.html", here="models", up="../", view=view))


@router.get("/models/{name}/{number}")
def version(request: Request, name: str, number: Annotated[int, Path(ge=1, le=2**31)]) -> Response:
    """One version."""
    view = version_view(request.app.state.platform, name, number)
    return html(document("version.html", here="models", up="../../", view=view))
