"""E-detectors: stated false-alarm rates, seasons ignored, power, change point, and a restart that changes nothing."""

import numpy as np
import pytest

from tidewheel.stats import EXCESS_LOG_LOSS_RANGE, EDetector, TwoSidedEDetector, excess_log_loss, log_loss, signed_error


def calibrated(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A season in p (slow sine) and labels that obey it."""
    p = 0.5 + 0.35 * np.sin(np.arange(rows) / 97.0) + rng.uniform(-0.1, 0.1, rows)
    return (rng.random(rows) < p).astype(float), p


@pytest.mark.parametrize("kind", ["sr", "cusum"])
def test_false_alarms_within_n_rows_are_at_most_n_alpha_and_the_run_length_is_at_least_one_over_alpha(
    kind: str,
) -> None:
    first = []
    for seed in range(250):
        y, p = calibrated(np.random.default_rng(seed), 3000)
        detector = EDetector(alpha=0.005, lo=-0.279, hi=4.0, kind=kind)  # type: ignore[arg-type]
        found = detector.update(excess_log_loss(y, p))
        first.append(3000 if found.alarm_index is None else found.alarm_index + 1)
    lengths = np.array(first)
    for n in (20, 60, 100):
        assert (lengths <= n).mean() <= n * 0.005
    assert lengths.mean() >= 1 / 0.005


def test_a_shift_of_a_tenth_is_found_in_about_a_thousand_labels_at_one_in_ten_million() -> None:
    delays = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = (rng.random(5000) < 0.5).astype(float)
        detector = TwoSidedEDetector(alpha=1e-7, bound=1.0, tolerance=0.01)
        found = detector.update(signed_error(y, np.full(5000, 0.6)))
        assert found.alarm
        assert detector.side == "below"
        delays.append(found.alarm_index)
    assert 400 < np.median(delays) < 1100


def test_the_change_is_placed_in_index_and_time() -> None:
    rng = np.random.default_rng(3)
    y, p = calibrated(rng, 12_000)
    y[8000:] = (rng.random(4000) < 1 - p[8000:]).astype(float)
    times = 1_700_000_000.0 + 30.0 * np.arange(12_000)
    lo, hi = EXCESS_LOG_LOSS_RANGE
    detector = EDetector(alpha=1e-7, lo=lo, hi=hi)
    found = detector.update(excess_log_loss(y, p), times)
    assert found.alarm_index is not None
    assert 8000 < found.alarm_index < 8500
    assert found.change_index is not None
    assert abs(found.change_index - 8000) < 60
    assert found.change_at == times[found.change_index]
    assert found.alarm_at == times[found.alarm_index]


def test_a_drift_smaller_than_the_tolerance_does_not_count() -> None:
    x = np.random.default_rng(0).normal(0.02, 0.1, 50_000).clip(-1, 1)
    assert not EDetector(alpha=1e-5, lo=-1, hi=1, m0=0.03).update(x).alarm
    assert EDetector(alpha=1e-5, lo=-1, hi=1, m0=0.0).update(x).alarm


def test_a_million_rows_of_any_kind_do_not_overflow() -> None:
    for x in (np.full(300_000, 1.0), np.full(300_000, -1.0)):
        detector = EDetector(alpha=1e-7, lo=-1, hi=1)
        assert np.isfinite(detector.update(x).log_evidence)


def test_a_value_below_the_promised_minimum_is_refused() -> None:
    with pytest.raises(ValueError, match="below lo"):
        EDetector(alpha=0.01, lo=0.0, hi=1.0, m0=0.5).update([-0.1])
    with pytest.raises(ValueError, match="lo < m0 < hi"):
        EDetector(alpha=0.01, lo=0.0, hi=1.0, m0=2.0)


def test_after_a_reset_it_is_new() -> None:
    detector = EDetector(alpha=0.01, lo=-1, hi=1)
    assert detector.update([1.0] * 100).alarm
    detector.reset()
    assert detector.to_dict() == EDetector(alpha=0.01, lo=-1, hi=1).to_dict()


def test_at_the_edge_of_the_null_a_constant_stream_is_never_an_alarm_for_cusum() -> None:
    assert not EDetector(alpha=1e-3, lo=0.0, hi=1.0, m0=0.5, kind="cusum").update(np.full(5000, 0.5)).alarm


def test_the_season_that_alarms_on_raw_loss_is_silent_on_excess_loss() -> None:
    rng = np.random.default_rng(9)
    p = np.where(np.arange(20_000) % 4000 < 2000, 0.95, 0.6)  # easy nights, hard days, a model that knows both
    y = (rng.random(20_000) < p).astype(float)
    raw, level = log_loss(y, p), float(log_loss(y[:2000], p[:2000]).mean())
    assert EDetector(alpha=1e-6, lo=0.0, hi=4.0, m0=level).update(raw).alarm
    lo, hi = EXCESS_LOG_LOSS_RANGE
    assert not EDetector(alpha=1e-6, lo=lo, hi=hi).update(excess_log_loss(y, p)).alarm
