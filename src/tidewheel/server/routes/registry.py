"""Registry and webhooks over HTTP: the doors of their verbs."""

from fastapi import APIRouter

from tidewheel.registry import Registry, Webhooks
from tidewheel.server.doors import routes_of

router = APIRouter()
router.include_router(routes_of(Registry, lambda platform: platform.registry))
router.include_router(routes_of(Webhooks, lambda platform: platform.webhooks, name="webhooks"))
