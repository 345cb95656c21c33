"""Data over HTTP: the doors of its verbs."""

from tidewheel.data import Data
from tidewheel.server.doors import routes_of

router = routes_of(Data, lambda platform: platform.data)
