"""Registry over HTTP: the doors of its verbs."""

from tidewheel.registry import Registry
from tidewheel.server.doors import routes_of

router = routes_of(Registry, lambda platform: platform.registry)
