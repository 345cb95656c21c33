"""Features over HTTP: the doors of its verbs."""

from tidewheel.features import Features
from tidewheel.server.doors import routes_of

router = routes_of(Features, lambda platform: platform.features)
