"""Loop over HTTP: the doors of its verbs."""

from tidewheel.loop import Loops
from tidewheel.server.doors import routes_of

router = routes_of(Loops, lambda platform: platform.loop)
