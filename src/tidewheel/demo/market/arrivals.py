"""The requests of one hour, drawn at once as arrays.

An hour's requests follow from the seed and the hour alone. The competitor changes who asks and what they would pay,
not the draws behind it: with and without it the same riders come, less those who no longer ask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidewheel.demo.market.city import CENTRALITY, DEMAND_PATTERN, HOURS_PER_WEEK, ZONES
from tidewheel.demo.market.competitor import Competitor
from tidewheel.demo.market.fares import HIGHEST_EXPLORED, LOWEST_MULTIPLIER
from tidewheel.demo.market.riders import MEAN_FARE, TASTE_SD, Riders
from tidewheel.demo.market.weather import Weather

RIDERS = 20_000
RAIN_DEMAND_PER_MM = 0.15
_MONDAY_OFFSET_H = 72  # hour 0 of 1970-01-01 was the 73rd hour of its week
_TASTE_STREAM, _HOUR_STREAM = 12, 13


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfRequests:
    """Requests in time order; each field is an array with one value a request, but for the temperature."""

    second: np.ndarray  # within the hour
    zone: np.ndarray
    rider: np.ndarray
    rain: np.ndarray
    temperature_c: float
    base_fare: np.ndarray
    tendency: np.ndarray
    mood: np.ndarray
    slope: np.ndarray
    driver_draw: np.ndarray
    wait_draw: np.ndarray
    delay_draw: np.ndarray
    destination: np.ndarray
    offered: np.ndarray  # an explored multiplier, or NaN
    nudge: np.ndarray  # of the incumbent's price


class Arrivals:
    """Draws hours of requests for one seeded world."""

    def __init__(
        self, seed: int, *, quotes_per_hour: float, explored_share: float, competitor: Competitor, riders: Riders
    ) -> None:
        self._seed = seed
        self._quotes_per_hour = quotes_per_hour
        self._explored_share = explored_share
        self._competitor = competitor
        self._riders = riders
        self._weather = Weather(seed)
        self._taste = np.random.default_rng([seed, _TASTE_STREAM]).normal(0.0, TASTE_SD, RIDERS)

    def expected_per_hour(self, hour_index: int) -> np.ndarray:
        """Requests expected in each zone in an ordinary, dry hour: what drivers know of demand."""
        result: np.ndarray = self._quotes_per_hour * DEMAND_PATTERN[(hour_index + _MONDAY_OFFSET_H) % HOURS_PER_WEEK]
        return result

    def driver_luck(self, hour_index: int) -> np.ndarray:
        """How many more or fewer drivers than usual each zone has in an hour, as a factor around 1."""
        rng = np.random.default_rng([self._seed, _HOUR_STREAM, hour_index, 1])
        return np.exp(rng.normal(0.0, 0.3, len(ZONES)))

    def draw(self, hour_index: int, competes_from_s: float) -> HourOfRequests:
        """One hour's requests; the competitor is there from `competes_from_s` within it (infinity: not yet)."""
        rng = np.random.default_rng([self._seed, _HOUR_STREAM, hour_index, 0])
        rain_mm = self._weather.rain_mm(hour_index)
        counts = rng.poisson(self.expected_per_hour(hour_index) * (1 + RAIN_DEMAND_PER_MM * np.minimum(rain_mm, 2)))
        n = int(counts.sum())
        second = rng.uniform(0.0, 3600.0, n)
        order = np.argsort(second, kind="stable")
        second, zone = second[order], np.repeat(np.arange(len(ZONES)), counts)[order]
        rider = rng.integers(0, RIDERS, n)
        base_fare = np.round(MEAN_FARE * np.exp(rng.normal(-0.045, 0.3, n)), 2)
        rain, temperature_c = rain_mm[zone], round(self._weather.temperature_c(hour_index), 1)
        hour = hour_index % 24 + second / 3600.0
        tendency = self._riders.tendency(zone, hour, rain, temperature_c, base_fare)
        slope = self._riders.steepness(zone, rain)
        competed = second >= competes_from_s
        rival_tendency, rival_slope = self._riders.under(self._competitor, zone, tendency, slope)
        stays = rng.random(n) >= competed * self._competitor.demand_lost * CENTRALITY[zone]
        explored = rng.random(n) < self._explored_share
        price = np.exp(rng.uniform(np.log(LOWEST_MULTIPLIER), np.log(HIGHEST_EXPLORED), n))
        columns = {
            "second": second,
            "zone": zone,
            "rider": rider,
            "rain": rain,
            "base_fare": base_fare,
            "tendency": np.where(competed, rival_tendency, tendency),
            "mood": self._taste[rider] + rng.logistic(0.0, 1.0, n),
            "slope": np.where(competed, rival_slope, slope),
            "driver_draw": rng.random(n),
            "wait_draw": rng.random(n),
            "delay_draw": rng.random(n),
            "destination": rng.choice(len(ZONES), n, p=[zone.share for zone in ZONES]),
            "offered": np.where(explored, np.round(price, 3), np.nan),
            "nudge": rng.normal(0.0, 1.0, n),
        }
        return HourOfRequests(temperature_c=temperature_c, **{name: values[stays] for name, values in columns.items()})
