"""The stated rates on the ride-hailing market: no false alarm over 20 seeds, and how long a competitor goes unseen."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

import numpy as np
import pytest

from tidewheel.demo.market.world import STARTS_AT, World
from tidewheel.monitoring import DataDrift, ReadingState
from tidewheel.monitoring.sketches import SketchLayout
from tidewheel.monitoring.watch import Look, Subject
from tidewheel.stats import FeatureBins

FEATURES = ("drivers", "rain", "base_fare", "hour", "centre_km")
HOUR_US = 3_600_000_000
DAYS, REFERENCE_ROWS = 7, 50_000


def looks(seed: int, shift_h: float | None = None) -> list[Look]:
    """21 days of the past as the reference, the seven after them as traffic: a look after every hour."""
    starts_at = STARTS_AT - timedelta(days=DAYS)
    world = World(seed, None if shift_h is None else starts_at + timedelta(hours=shift_h))
    past = world.history(21 + DAYS)
    at_us = past["requested_at"].astype("datetime64[us]").astype(np.int64)
    columns = {name: past[name].astype(float) for name in FEATURES}
    started_us = int(starts_at.timestamp()) * 1_000_000
    split = int(np.searchsorted(at_us, started_us))
    kept = np.linspace(0, split - 1, REFERENCE_ROWS).astype(int)
    reference = {name: values[kept] for name, values in columns.items()}
    bins = {name: FeatureBins.of(values, kind="numeric") for name, values in reference.items()}
    layout = SketchLayout(bins)
    live = {name: values[split:] for name, values in columns.items()}
    hours = layout.count_steps(at_us[split:], live, HOUR_US)
    watch = DataDrift().begin(
        Subject(FEATURES, ("p",), "accepted", "p", bins, layout, reference, at_us[kept], started_us)
    )
    found = []
    for number in range(DAYS * 24):
        watch.advance(
            started_us + (number + 1) * HOUR_US, lambda since_us, _until, _length: [(since_us, hours[since_us])]
        )
        found.append(watch.look())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_an_unchanged_market_raises_no_data_drift(seed: int) -> None:
    assert looks(seed)[-1].state is ReadingState.QUIET


@pytest.mark.slow
def test_a_competitor_is_seen_in_the_drivers_that_it_leaves_free() -> None:
    launched_at, delays, errors = STARTS_AT - timedelta(days=DAYS - 2), [], []
    for seed in range(5):
        seen = looks(seed, shift_h=48)
        first = next(place for place, look in enumerate(seen) if look.state is ReadingState.ALARM)
        assert seen[first].facts["named"] == ["drivers"]
        assert " sd higher since " in seen[first].summary
        delays.append(first + 1 - 48)
        errors.append(abs((seen[first].change_at - launched_at).total_seconds()) / 3600)
    assert min(delays) > 0
    assert median(delays) <= 48
    assert median(errors) <= 6
