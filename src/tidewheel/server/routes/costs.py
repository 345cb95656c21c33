"""Costs over HTTP: the doors of its verbs."""

from tidewheel.costs import Costs
from tidewheel.server.doors import routes_of

router = routes_of(Costs, lambda platform: platform.costs)
