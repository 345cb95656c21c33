"""What riders would pay: the truth that is hidden from the model.

A rider takes a ride at multiplier m when  appetite - impatience * wait >= slope * ln(m),  where the appetite is a
tendency of the place and hour, plus the rider's own taste, plus a logistic draw of the moment. So acceptance is a
logistic curve in ln(m), and one quote with its draws can be asked again at any other price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidewheel.demo.market.city import CENTRALITY
from tidewheel.demo.market.competitor import Competitor
from tidewheel.demo.market.fares import Number

MEAN_FARE = 14.0
IMPATIENCE_PER_MIN = 0.08
TASTE_SD = 0.3  # between riders, constant for one rider
_DRIVERS_FOR_A_RIDE = 1.2


@dataclass(frozen=True, slots=True)
class Riders:
    """The riders of a world; `appetite` and `slope` are at the centre of town, at noon, dry, for a usual fare."""

    appetite: float = 1.25
    slope: float = 3.4

    def tendency(
        self, zone: np.ndarray, hour: np.ndarray, rain_mm: np.ndarray, temperature_c: float, base_fare: np.ndarray
    ) -> np.ndarray:
        """The mean appetite of a request: more in the centre, at rush hour and in the rain, less for long rides."""
        rush = np.exp(-0.5 * ((hour - 8.5) / 1.8) ** 2) + np.exp(-0.5 * ((hour - 18.5) / 2.5) ** 2)
        wet = np.minimum(rain_mm, 2.0) / 2.0
        place = 0.5 * (CENTRALITY[zone] - 0.5)
        fare = -0.5 * np.log(base_fare / MEAN_FARE)
        result: np.ndarray = self.appetite + place + 0.45 * rush + 0.5 * wet + fare + 0.01 * (12.0 - temperature_c)
        return result

    def steepness(self, zone: np.ndarray, rain_mm: np.ndarray) -> np.ndarray:
        """How fast the appetite falls with ln(m): a little slower in the rain and in the centre."""
        wet = np.minimum(rain_mm, 2.0) / 2.0
        result: np.ndarray = self.slope * (1.0 - 0.12 * wet - 0.12 * (CENTRALITY[zone] - 0.5))
        return result

    def under(
        self, competitor: Competitor, zone: np.ndarray, tendency: np.ndarray, slope: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same riders once the competitor is there."""
        reach = competitor.reach()[zone]
        return tendency - competitor.appetite_lost * reach, slope * (1.0 + competitor.slope_gained * reach)


def expected_wait_s(drivers: Number) -> Number:
    """How long the app says that the car will take, by the number of free drivers in the zone."""
    return 90.0 + 900.0 / (drivers + 1.0)


def accepts(appetite: Number, slope: Number, drivers: Number, multiplier: Number) -> np.ndarray:
    """Whether the rider takes the ride at this price (for one rider: an array without dimensions)."""
    impatience = IMPATIENCE_PER_MIN * (expected_wait_s(drivers) / 60.0 - 3.0)
    return np.asarray(appetite - impatience >= slope * np.log(multiplier))


def finds_driver(drivers: Number, draw: Number) -> np.ndarray:
    """Whether an accepted ride is driven: nearly always with five free drivers in the zone, never with none."""
    return np.asarray(draw < 1.0 - np.exp(-drivers / _DRIVERS_FOR_A_RIDE))
