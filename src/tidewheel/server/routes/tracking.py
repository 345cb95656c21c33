"""Tracking over HTTP: the doors of its verbs."""

from tidewheel.server.doors import routes_of
from tidewheel.tracking import Tracking

router = routes_of(Tracking, lambda platform: platform.tracking)
