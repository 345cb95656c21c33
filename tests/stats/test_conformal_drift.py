"""Conformal drift: seasons are not drift, the false-alarm rate holds, a true shift is found and named."""

from collections.abc import Callable

import numpy as np
import pytest

from tidewheel.stats import BinnedSketch, ConformalDrift, conformal_p, profile_feature, windows_needed

SLOTS = 6
Hour = Callable[[np.random.Generator, int], dict[str, BinnedSketch]]
_PROFILE = {
    "fare": profile_feature(np.random.default_rng(0).normal(10, 4, 4000), bins=8),
    "zone": profile_feature(list("aaabbc") * 100),
}


def hour(rng: np.random.Generator, slot: int, fare_shift: float = 0.0) -> dict[str, BinnedSketch]:
    """A strongly seasonal hour, whose level also wanders from day to day: no two hours are drawn alike."""
    window = {name: sketch.empty() for name, sketch in _PROFILE.items()}
    window["fare"].add(rng.normal(10 + 4 * np.sin(slot) + rng.normal(0, 0.7) + fare_shift, 2, 60))
    window["zone"].add(rng.choice(list("abc"), 60, p=rng.dirichlet([20, 10 + slot, 10])))
    return window


def with_references(rng: np.random.Generator, alpha: float, days: int = 20, **settings: float) -> ConformalDrift:
    drift = ConformalDrift(
        {name: sketch.bins for name, sketch in _PROFILE.items()},
        alpha=alpha,
        slots=SLOTS,
        **settings,  # type: ignore[arg-type]
    )
    for _ in range(days):
        for slot in range(SLOTS):
            drift.add_reference(slot, hour(rng, slot))
    return drift


def test_false_alarms_within_n_windows_are_at_most_n_alpha_over_all_features_together() -> None:
    crossed = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        drift = with_references(rng, alpha=0.01, days=16)
        readings = [drift.update(w % SLOTS, hour(rng, w % SLOTS), uniform=rng.random()) for w in range(36)]
        crossed.append([r.log_evidence >= r.log_threshold for r in readings])
    for n in (12, 24, 36):
        assert np.mean([any(run[:n]) for run in crossed]) <= n * 0.01


def test_p_values_are_uniform_when_nothing_changed() -> None:
    rng = np.random.default_rng(0)
    drift = with_references(rng, alpha=1e-6, days=15)
    readings = [drift.update(w % SLOTS, hour(rng, w % SLOTS), uniform=rng.random()) for w in range(240)]
    p = [feature.p_value for reading in readings for feature in reading.features]
    distance = np.abs(np.sort(p) - np.arange(1, len(p) + 1) / len(p)).max()
    assert distance < 1.63 / np.sqrt(len(p))


def test_a_shift_is_found_named_and_timed_and_other_features_are_not_blamed() -> None:
    rng = np.random.default_rng(2)
    drift = with_references(rng, alpha=1e-4, days=28)
    for w in range(12):
        assert not drift.update(w % SLOTS, hour(rng, w % SLOTS), at=3600.0 * w).alarm
    readings = [drift.update(w % SLOTS, hour(rng, w % SLOTS, 4.0), at=3600.0 * w) for w in range(12, 36)]
    first = next(r for r in readings if r.alarm)
    assert [f.feature for f in first.named] == ["fare"]
    assert first.named[0].shift == pytest.approx(1.0, abs=0.25)  # 4 of the reference's deviations of about 4
    assert first.windows - 12 <= windows_needed(references=28, alpha=1e-4, features=2) + 3
    assert first.change_at == pytest.approx(12 * 3600.0, abs=2 * 3600)


def test_a_certain_but_small_shift_raises_no_alarm() -> None:
    rng = np.random.default_rng(3)
    drift = with_references(rng, alpha=1e-3, days=28, min_effect=3.0)
    last = [drift.update(w % SLOTS, hour(rng, w % SLOTS, 4.0)) for w in range(30)][-1]
    assert last.log_evidence > last.log_threshold
    assert not last.alarm
    assert last.named == ()


def test_windows_of_one_block_count_as_one_piece_of_evidence() -> None:
    rng = np.random.default_rng(4)
    drift = with_references(rng, alpha=1e-3, days=28)
    hours = [(w % SLOTS, f"day {w // SLOTS}") for w in range(18)]
    evidence = [drift.update(slot, hour(rng, slot, 4.0), block=day).log_evidence for slot, day in hours]
    assert evidence[:6] == [-np.inf] * 6
    assert evidence[6:12] == [evidence[6]] * 6
    assert evidence[12] > evidence[6]


def test_a_slot_without_references_borrows_from_its_neighbours() -> None:
    rng = np.random.default_rng(5)
    drift = ConformalDrift({"fare": _PROFILE["fare"].bins}, alpha=1e-3, slots=24, min_windows=10)
    for _ in range(6):
        for slot in (4, 6, 7):
            drift.add_reference(slot, hour(rng, 1))
    assert drift.update(5, hour(rng, 1)).features[0].p_value <= 1.0
    assert drift.update(5, hour(rng, 1, 30.0)).features[0].p_value == pytest.approx(1 / 14)


def test_a_window_of_too_few_rows_says_nothing() -> None:
    drift = with_references(np.random.default_rng(6), alpha=1e-3)
    window = {"fare": _PROFILE["fare"].empty()}
    window["fare"].add([99.0] * 5)
    assert [f.p_value for f in drift.update(0, window).features] == [1.0, 1.0]


def test_conformal_p_counts_itself_and_breaks_ties_with_the_number_handed_in() -> None:
    assert conformal_p(new=2.0, others=[1.0, 2.0, 3.0], uniform=1.0) == 0.75
    assert conformal_p(new=2.0, others=[1.0, 2.0, 3.0], uniform=0.5) == 0.5
    with pytest.raises(ValueError, match="uniform"):
        conformal_p(new=2.0, others=[], uniform=2.0)
