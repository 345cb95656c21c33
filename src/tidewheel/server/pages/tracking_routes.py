"""The addresses of tracking's pages: experiments, their runs, one run, runs side by side, charts, artifacts,
logged models.

Reading is all they do but for saved views, whose forms go through `forms.py`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from tidewheel.server.pages.artifacts import PICTURES, artifacts_view, at
from tidewheel.server.pages.charts import SeriesShelf, Stretch
from tidewheel.server.pages.compare import compare_view
from tidewheel.server.pages.experiments import experiments_view
from tidewheel.server.pages.forms import form_of
from tidewheel.server.pages.logged_models import file_of, logged_model_view
from tidewheel.server.pages.page_route import PageRoute, html, kept
from tidewheel.server.pages.render import document
from tidewheel.server.pages.run_search import RunQuery, query_of
from tidewheel.server.pages.run_table import run_table_view, standing
from tidewheel.server.pages.runs import run_view
from tidewheel.storage.journal import acting
from tidewheel.tracking.artifacts import StoredFile
from tidewheel.tracking.metric_series import SeriesAxis

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/experiments")
def experiments(request: Request, search: str = "", deleted: bool = False) -> Response:
    """All experiments."""
    view = experiments_view(request.app.state.platform, search.strip(), deleted)
    return html(document("experiments.html", here="experiments", view=view))


@router.get("/experiments/{experiment_id}")
def run_table(request: Request, experiment_id: str) -> Response:
    """An experiment's runs."""
    view = run_table_view(request.app.state.platform, experiment_id, RunQuery.of(request.query_params))
    return kept(request, document("run_table.html", here="experiments", up="../", view=view), "text/html")


@router.get("/experiments/{experiment_id}/standing")
def run_counts(request: Request, experiment_id: str) -> Response:
    """How many runs an experiment has, as the table's page asks again while some are running; 304 if nothing moved."""
    counts = standing(request.app.state.platform, experiment_id)
    return kept(request, document("run_counts.html", counts=counts), "text/html")


@router.post("/experiments/{experiment_id}/views")
async def save_view(request: Request, experiment_id: str) -> Response:
    """Keep the table as it is shown under a name."""
    caller, form = await form_of(request)
    query = RunQuery.of(form)

    def save() -> str:
        with acting(actor=caller.name):
            view = request.app.state.platform.views.save(
                experiment_id, form.get("name", ""), query.filter, query.order, query.columns, query.stage
            )
        return f"../{experiment_id}{query_of(view).address()}"

    return Response(status_code=303, headers={"Location": await run_in_threadpool(save)})


@router.post("/experiments/{experiment_id}/views/{view_id}/delete")
async def delete_view(request: Request, experiment_id: str, view_id: str) -> Response:
    """Forget a saved view."""
    caller, _ = await form_of(request)

    def delete() -> None:
        with acting(actor=caller.name):
            request.app.state.platform.views.delete(view_id)

    await run_in_threadpool(delete)
    return Response(status_code=303, headers={"Location": f"../../../{experiment_id}"})


@router.get("/runs/{run_id}")
def run(
    request: Request, run_id: str, metric: str = "", start: Annotated[int, Query(ge=0, le=100_000)] = 0
) -> Response:
    """One run."""
    view = run_view(request.app.state.platform, request.app.state.series, run_id, metric.strip(), start)
    return html(document("run.html", here="experiments", up="../", view=view))


@router.get("/charts")
def charts(
    request: Request,
    run: Annotated[list[str], Query(max_length=30)],
    key: Annotated[list[str], Query(max_length=60)],
    points: Annotated[int, Query(ge=4, le=20_000)] = 800,
    axis: SeriesAxis = "step",
    low: float | None = None,
    high: float | None = None,
) -> Response:
    """Metrics of runs for charts; 304 while nothing was logged."""
    shelf: SeriesShelf = request.app.state.series
    runs = [request.app.state.platform.tracking.run(run_id) for run_id in run]
    stretch = Stretch(points=points, axis=axis, low=low, high=high)
    etag = shelf.etag(runs, key, stretch)
    if etag in request.headers.get("if-none-match", ""):
        return kept(request, b"", "application/json", etag)
    return kept(request, shelf.json(runs, key, stretch), "application/json", etag)


@router.get("/compare")
def compare(
    request: Request,
    runs: str = "",
    run: Annotated[list[str] | None, Query(max_length=100)] = None,
    show: str = "",
    x: str = "",
    y: str = "",
) -> Response:
    """Runs side by side: `runs=a,b,c`, or `run=a&run=b` as the table's form without JavaScript sends it."""
    view = compare_view(request.app.state.platform, [*runs.split(","), *(run or ())], show == "all", x, y)
    return html(document("compare.html", here="experiments", view=view))


@router.get("/runs/{run_id}/artifacts")
def artifacts(request: Request, run_id: str, path: str = "") -> Response:
    """What a run kept, one level at a time."""
    view = artifacts_view(request.app.state.platform, run_id, path)
    return html(document("artifacts.html", here="experiments", up="../../", view=view, tab="artifacts"))


@router.get("/runs/{run_id}/file")
def artifact_file(request: Request, run_id: str, path: str, download: bool = False) -> Response:
    """One file of a run."""
    platform = request.app.state.platform
    return _file(platform.artifacts.open(at(platform.tracking.run(run_id), path.strip("/"))), path, download)


@router.get("/logged-models/{model_id}")
def logged_model(request: Request, model_id: str) -> Response:
    """A model as a run logged it."""
    view = logged_model_view(request.app.state.platform, model_id)
    return html(document("logged_model.html", here="experiments", up="../", view=view))


@router.get("/logged-models/{model_id}/file")
def logged_model_file(request: Request, model_id: str, path: str, download: bool = False) -> Response:
    """One file of a logged model."""
    platform = request.app.state.platform
    model = platform.logged_models.model(model_id, deleted=True)
    return _file(platform.artifacts.open(file_of(model, path.strip("/"))), path, download)


def _file(stored: StoredFile, path: str, download: bool) -> Response:
    """A picture to be shown, anything else to be saved; whatever it is, a browser runs nothing of it."""
    name = PurePosixPath(path).name
    media = PICTURES.get(PurePosixPath(path).suffix.lower())
    way = "inline" if media and not download else "attachment"
    headers = {
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(name)}",
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        "Content-Length": str(stored.size_bytes),
        "Cache-Control": "no-cache",
    }
    return StreamingResponse(stored.pieces(), media_type=media or "application/octet-stream", headers=headers)
