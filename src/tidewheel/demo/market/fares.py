"""What a ride earns: the one piece of arithmetic that the market and the model share.

The world scores outcomes with it and the surge policy maximises it; both take the same shares from here, so that
"value" means one thing in the whole demonstration.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

LOWEST_MULTIPLIER = 0.8
HIGHEST_MULTIPLIER = 2.5
HIGHEST_EXPLORED = 2.0  # random prices above it would cost much and teach little
COST_SHARE = 0.5  # of the base fare: what the driver and the car cost, whatever the rider pays

Number = TypeVar("Number", float, np.ndarray)


def margin(base_fare: Number, multiplier: Number) -> Number:
    """Revenue less cost of one ride driven, in the currency of the fare (negative under half the base fare)."""
    return base_fare * (multiplier - COST_SHARE)
