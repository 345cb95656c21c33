"""Tracking over HTTP: the doors of its verbs."""

from fastapi import APIRouter

from tidewheel.server.doors import routes_of
from tidewheel.tracking import Artifacts, Experiments, LoggedModels, Tracking, Views

router = APIRouter()
router.include_router(routes_of(Experiments, lambda platform: platform.experiments, name="experiments"))
router.include_router(routes_of(Tracking, lambda platform: platform.tracking))
router.include_router(routes_of(Artifacts, lambda platform: platform.artifacts, name="artifacts"))
router.include_router(routes_of(LoggedModels, lambda platform: platform.logged_models, name="logged_models"))
router.include_router(routes_of(Views, lambda platform: platform.views, name="views"))
