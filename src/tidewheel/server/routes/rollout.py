"""Rollout over HTTP: the doors of its verbs."""

from tidewheel.rollout import Rollouts
from tidewheel.server.doors import routes_of

router = routes_of(Rollouts, lambda platform: platform.rollout)
