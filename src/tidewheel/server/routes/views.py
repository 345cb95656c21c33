"""Saved views over HTTP: the doors of their verbs."""

from tidewheel.server.doors import routes_of
from tidewheel.tracking import Views

router = routes_of(Views, lambda platform: platform.views, name="views")
