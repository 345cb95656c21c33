"""Governance over HTTP: the doors of its verbs."""

from tidewheel.governance import Governance
from tidewheel.server.doors import routes_of

router = routes_of(Governance, lambda platform: platform.governance)
