"""`tw.FeatureView`: features of one entity, computed from the events of one dataset.

The definition is all there is: training rows, online reads, pushes and materialisation follow it. Its hash changes
when the meaning does, and names the place in the online store, so that two definitions of one view can be served side
by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import hash_json
from tidewheel.base.units import parse_duration
from tidewheel.data import Dataset
from tidewheel.features.aggregations import Aggregation, Window
from tidewheel.features.tile_layout import TileLayout

_MOST_TILES = 100_000


class FeatureView:
    """Features of an entity from the events of a dataset.

    Args:
        name: the view's name.
        entity: the column that holds the key; keys are compared as text.
        source: the dataset whose rows are the events.
        timestamp: the column that says when an event became known; nothing before that instant sees it.
        features: what is computed, by feature name.
        ttl: the age beyond which `last` values no longer count; default: none.
        freshness: how old the newest event may be before that is worth an alert.
        every: how often windows move on; each window is a multiple of it. Default: `freshness`, else the greatest
            common divisor of the windows.
    """

    def __init__(
        self,
        name: str,
        *,
        entity: str,
        source: Dataset,
        timestamp: str,
        features: Mapping[str, Aggregation],
        ttl: Window | None = None,
        freshness: Window | None = None,
        every: Window | None = None,
    ) -> None:
        if not features:
            raise InvalidInput(f"The view {name!r} has no features.", fix='Add features={"rides_1h": tw.count("1h")}.')
        self.name = name
        self.entity = entity
        self.source = source
        self.timestamp = timestamp
        self.features = dict(features)
        self.ttl_us = None if ttl is None else _us(ttl)
        self.freshness_s = None if freshness is None else _us(freshness) / 1e6
        windows = [found.window_us for found in features.values() if found.window_us is not None]
        step = every or freshness
        self.every_us = _us(step) if step else math.gcd(*windows) or 1
        self._check_windows(windows)
        self.layout = TileLayout(list(self.features.values()), self.every_us)
        self.lasts = tuple(
            (place, found.column or "") for place, found in enumerate(self.features.values()) if found.kind == "last"
        )
        used = [found.column for found in self.features.values() if found.column is not None]
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(used))
        self.hash = hash_json(self.definition())

    def definition(self) -> dict[str, Any]:
        """What the hash is taken of: all that changes a value, nothing else."""
        return {
            "name": self.name,
            "entity": self.entity,
            "source": self.source.name,
            "timestamp": self.timestamp,
            "ttl_us": self.ttl_us if any(found.kind == "last" for found in self.features.values()) else None,
            "every_us": self.every_us if any(found.window_us for found in self.features.values()) else None,
            "features": [[name, found.definition()] for name, found in self.features.items()],
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(self.features)

    @property
    def reach_us(self) -> int | None:
        """How far back an event can still matter; None: for ever."""
        if self.lasts and self.ttl_us is None:
            return None
        return max((self.layout.longest + 1) * self.every_us, (self.ttl_us or 0) if self.lasts else 0)

    @property
    def fingerprint(self) -> str:
        """What stands for it when code that names it is hashed."""
        return self.hash

    def __repr__(self) -> str:
        return f"FeatureView({self.name!r}, {self.hash[:12]})"

    def _check_windows(self, windows: list[int]) -> None:
        for window_us in windows:
            if window_us % self.every_us:
                raise InvalidInput(
                    f"In the view {self.name!r} a window of {window_us / 1e6:g} s is not a multiple of every = "
                    f"{self.every_us / 1e6:g} s.",
                    fix="Set every= to a length that divides all windows.",
                )
            if window_us // self.every_us > _MOST_TILES:
                raise InvalidInput(
                    f"In the view {self.name!r} a window is {window_us // self.every_us} times every.",
                    fix=f"Set a longer every=: at most {_MOST_TILES} fit a window.",
                )


def _us(window: Window) -> int:
    return parse_duration(window) // timedelta(microseconds=1)
