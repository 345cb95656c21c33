"""What comes of a quote at a price: pure arithmetic, one formula for one quote and for arrays of them.

`World.outcome` uses it for live traffic, `World.history` for the past, and a comparison of two models replays the
same quotes through `answer`. It moves no driver: that is the world's part.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import numpy as np

from tidewheel.demo.market.fares import Number, margin
from tidewheel.demo.market.quotes import Outcome, Quote
from tidewheel.demo.market.riders import accepts, expected_wait_s, finds_driver

SHORTEST_DELAY_S = 120.0
LONGEST_DELAY_S = 1200.0


class Settled(NamedTuple):
    """Outcomes side by side, as arrays (or as numpy scalars for one quote)."""

    accepted: np.ndarray
    driven: np.ndarray
    value: np.ndarray
    wait_s: np.ndarray


def settle(
    appetite: np.ndarray,
    slope: np.ndarray,
    driver_draw: np.ndarray,
    wait_draw: np.ndarray,
    drivers: np.ndarray,
    base_fare: np.ndarray,
    multiplier: np.ndarray,
) -> Settled:
    """Every rider answers; a ride accepted earns its margin if a driver is found, and nothing otherwise."""
    accepted = accepts(appetite, slope, drivers, multiplier)
    driven = accepted & finds_driver(drivers, driver_draw)
    return Settled(accepted, driven, driven * margin(base_fare, multiplier), wait_s(drivers, wait_draw))


def wait_s(drivers: Number, draw: Number) -> Number:
    """How long the rider waits for the car: what the app expects, give or take a third."""
    return expected_wait_s(drivers) * (0.7 + 0.6 * draw)


def label_delay_s(draw: Number) -> Number:
    """How long after the quote its outcome is known, in seconds."""
    return SHORTEST_DELAY_S + (LONGEST_DELAY_S - SHORTEST_DELAY_S) * draw


def answer(quote: Quote, multiplier: float) -> Outcome:
    """The outcome of one quote at one price: the same for the same pair, always."""
    hidden = quote.hidden
    accepted = bool(accepts(hidden.tendency + hidden.mood, hidden.slope, quote.drivers, multiplier))
    driven = accepted and bool(finds_driver(quote.drivers, hidden.driver_draw))
    return Outcome(
        accepted=accepted,
        driven=driven,
        value=round(driven * margin(quote.base_fare, multiplier), 4),
        wait_s=round(wait_s(quote.drivers, hidden.wait_draw), 1),
        known_at=quote.requested_at + timedelta(seconds=label_delay_s(hidden.delay_draw)),
    )
