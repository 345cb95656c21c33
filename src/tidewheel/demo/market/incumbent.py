"""The pricing that the company used before it had a model: a rule on free drivers and rain.

It made the history that the first model learns from. Regional managers nudged it up and down all the time, which is
why that history holds enough different prices for the same situation to learn a demand curve from.
"""

from __future__ import annotations

import numpy as np

from tidewheel.demo.market.fares import HIGHEST_MULTIPLIER, LOWEST_MULTIPLIER

NUDGE_SD = 0.22  # of ln(multiplier)


def rule_multiplier(drivers: np.ndarray, rain: np.ndarray, nudge: np.ndarray) -> np.ndarray:
    """The old price: dearer when drivers are few and when it rains, times the manager's nudge (standard normal)."""
    scarce = 1.0 / (1.0 + drivers / 4.0)
    price = (1.42 + 0.25 * scarce + 0.12 * np.minimum(rain, 2.0)) * np.exp(NUDGE_SD * nudge)
    result: np.ndarray = np.round(np.clip(price, LOWEST_MULTIPLIER, HIGHEST_MULTIPLIER), 3)
    return result
