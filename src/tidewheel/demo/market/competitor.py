"""The event that the demonstration turns on: another company starts to offer rides.

Riders who can compare are less willing to pay (their appetite falls) and look harder at the price (their slope
steepens), most of all in the centre; some no longer ask at all. Built once with the world; nothing else in the
market knows that it happened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidewheel.demo.market.city import CENTRALITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Competitor:
    """How hard the competition bites: each figure is its effect at the very centre, in the units of `riders`."""

    appetite_lost: float = 0.8
    slope_gained: float = 0.4
    demand_lost: float = 0.15
    everywhere: float = 0.4  # the part of the effect that is felt in every zone alike

    def reach(self) -> np.ndarray:
        """The part of the effect that each zone feels: 1 at the centre, `everywhere` far outside."""
        return self.everywhere + (1.0 - self.everywhere) * CENTRALITY
