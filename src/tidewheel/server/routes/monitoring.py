"""Monitoring over HTTP: the doors of its verbs."""

from tidewheel.monitoring import Monitoring
from tidewheel.server.doors import routes_of

router = routes_of(Monitoring, lambda platform: platform.monitoring)
