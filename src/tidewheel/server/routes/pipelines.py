"""Pipelines over HTTP: the doors of its verbs."""

from tidewheel.pipelines import Pipelines
from tidewheel.server.doors import routes_of

router = routes_of(Pipelines, lambda platform: platform.pipelines)
