"""The nouns of the market: a quote asked for, and what came of it.

`Hidden` is what only the world knows; it stays on this side of the HTTP request and makes a quote replayable: the
same rider, in the same mood, can be asked again at another price.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Hidden(NamedTuple):
    """The rider's side of a quote: `tendency` + `mood` is the appetite for a ride.

    The draws are uniform on [0, 1); the destination is a zone's index.
    """

    tendency: float
    mood: float
    slope: float
    driver_draw: float
    wait_draw: float
    delay_draw: float
    destination: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A rider asks what a ride would cost. `offered` is a price set for exploration, or None: the model chooses."""

    quote_id: str
    rider_id: str
    zone: str
    requested_at: datetime
    drivers: int
    rain: float
    temperature_c: float
    base_fare: float
    hour: float
    centre_km: float
    offered: float | None
    hidden: Hidden = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rider did at the price shown. `wait_s` is the pick-up wait, also of a ride refused; never missing."""

    accepted: bool
    driven: bool  # accepted, and a driver was free to come
    value: float
    wait_s: float
    known_at: datetime
