"""Serving over HTTP: the doors of its verbs."""

from tidewheel.server.doors import routes_of
from tidewheel.serving import Serving

router = routes_of(Serving, lambda platform: platform.serving)
