"""Tracking over HTTP: the doors of its verbs."""

from fastapi import APIRouter

from tidewheel.server.doors import routes_of
from tidewheel.tracking import Experiments, Tracking

router = APIRouter()
router.include_router(routes_of(Experiments, lambda platform: platform.experiments, name="experiments"))
router.include_router(routes_of(Tracking, lambda platform: platform.tracking))
