"""Delivery over HTTP: the doors of its verbs."""

from tidewheel.delivery import Delivery
from tidewheel.server.doors import routes_of

router = routes_of(Delivery, lambda platform: platform.delivery)
