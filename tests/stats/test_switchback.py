"""Switchback units and arms are deterministic, balanced and independent; planning agrees with simulation."""

import numpy as np
import pytest

from tidewheel.stats import (
    Moments,
    cluster_sums,
    difference_interval,
    in_washout,
    quotes_needed,
    switchback_arm,
    switchback_unit,
)


def test_arms_are_balanced_and_salts_are_independent() -> None:
    units = [(f"zone {z}", w) for z in range(50) for w in range(80)]
    first = np.array([switchback_arm(u, salt="one") == "B" for u in units])
    other = np.array([switchback_arm(u, salt="two") == "B" for u in units])
    assert first.mean() == pytest.approx(0.5, abs=0.03)
    assert (first == other).mean() == pytest.approx(0.5, abs=0.03)
    assert np.mean([switchback_arm(u, salt="one", share_b=0.1) == "B" for u in units]) == pytest.approx(0.1, abs=0.02)
    assert {switchback_arm(u, salt="one", share_b=0.0) for u in units} == {"A"}


def test_a_unit_lasts_its_window_and_its_beginning_is_washout() -> None:
    assert switchback_unit("z", 3599.9, 3600) == ("z", 0)
    assert switchback_unit("z", 3600.0, 3600) == ("z", 1)
    assert in_washout(3660.0, window_s=3600, washout_s=120)
    assert not in_washout(3720.0, window_s=3600, washout_s=120)


def test_cluster_sums_keep_every_row() -> None:
    units, sums, counts = cluster_sums(["b", "a", "b"], [1.0, 2.0, 4.0])
    assert (units, sums.tolist(), counts.tolist()) == (["b", "a"], [5.0, 2.0], [2, 1])


@pytest.mark.parametrize("share_b", [0.5, 0.1])
def test_the_planned_sample_size_gives_at_least_the_planned_power(share_b: float) -> None:
    n_b = quotes_needed(effect=0.2, sd=1.0, alpha=0.05, power=0.8, share_b=share_b)
    n_a = round(n_b * (1 - share_b) / share_b)
    rng, seen = np.random.default_rng(0), 0
    for _ in range(300):
        a, b = Moments.of(rng.normal(0, 1, n_a)), Moments.of(rng.normal(0.2, 1, n_b))
        seen += difference_interval(a, b, alpha=0.05, n_opt=n_a + n_b).lower > 0
    assert seen / 300 == pytest.approx(0.8, abs=0.06)
