"""The event that the demonstration turns on: another company starts to offer rides.

Riders who can compare are less willing to pay (their appetite falls) and look harder at the price (their slope
steepens), most of all in the centre; some no longer ask at all. Built once with the world; nothing else in the
market knows that it happened.

Measured over 20 seeds, 400 quotes an hour, launch after 30 hours (stale: the model of 40,000 quotes of history;
candidate: the same recipe on 6,000 quotes after the launch, 5 % of them explored):

    acceptance under the stale model      0.54 before the launch, 0.31 after it
    accepted - P(accept) of it            +0.001 (within 0.012) before, -0.230 (-0.245 to -0.217) after
    excess log loss of it, (P - y)logit P 0.000 before, +0.045 after
    its value, as a part of the best      0.999 before, 0.81 after
    the candidate's gain in value         +22.6 % (+19.3 % to +28.0 %); the best possible +23.0 %
    value of a quote in an A/B            4.59 (sd 7.3) stale, 5.60 (sd 5.3) candidate: z = 6.2 at 3,000 an arm
    the model of inverted prices          -61 % against the stale one, -68 % against the candidate
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
