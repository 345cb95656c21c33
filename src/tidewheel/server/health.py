"""`/health/live`, `/health/ready` and `/metrics` of the control plane. Health asks for no token; metrics, which name
loops and endpoints, ask for one as any reading does.

`/health` and `/version` are MLflow's: its clients and its users' probes ask for them at the root.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from tidewheel.base.errors import TidewheelError
from tidewheel.server.answers import answer, refusal
from tidewheel.server.guard import caller_of
from tidewheel.server.metrics import exposition
from tidewheel.server.mlflow.about import SPOKEN_VERSION
from tidewheel.storage import journal

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="Whether the process answers at all.")
def live() -> dict[str, str]:
    return {"status": "live"}


@router.get("/health/ready", summary="Whether the control plane can do its work: the metadata answer.")
def ready(request: Request) -> Response:
    began = time.perf_counter()
    try:
        with request.app.state.platform.metadata.read() as connection:
            connection.execute(sa.select(journal.entries.c.seq).limit(1)).first()
    except TidewheelError as error:
        return refusal(error)
    return answer({"status": "ready", "metadata_ms": round((time.perf_counter() - began) * 1000, 2)})


@router.get("/health", summary="MLflow's probe.", response_class=Response)
def health() -> Response:
    return Response("OK", media_type="text/plain")


@router.get("/version", summary="The MLflow version whose protocol is spoken.", response_class=Response)
def version() -> Response:
    return Response(SPOKEN_VERSION, media_type="text/plain")


@router.get("/metrics", summary="Prometheus text.", response_class=Response)
def metrics(request: Request) -> Response:
    caller_of(request)
    text = exposition(request.app.state.platform, request.app.state.traffic)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
