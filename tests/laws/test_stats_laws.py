"""What every statistic with a state must obey, found by discovery: a new one without a row here fails the first law."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tidewheel.stats
from tidewheel.stats import (
    EDetector,
    FeatureBins,
    Interval,
    LogHistogram,
    Moments,
    RateCounts,
    RatioMoments,
    TwoSidedEDetector,
)

BINS = FeatureBins.of(np.linspace(0, 1, 100), bins=5)


def rows(statistic: Any, x: np.ndarray) -> None:
    statistic.update(x)


def add(statistic: Any, x: np.ndarray) -> None:
    statistic.add(x)


# class -> how to make one, how to feed it a column in [0, 1]
STREAMS: dict[type, tuple[Callable[[], Any], Callable[[Any, np.ndarray], None]]] = {
    EDetector: (lambda: EDetector(alpha=1e-3, lo=0.0, hi=1.0, m0=0.5), rows),
    TwoSidedEDetector: (lambda: TwoSidedEDetector(alpha=1e-3, bound=1.0, tolerance=0.5), rows),
    LogHistogram: (LogHistogram, add),
}
VALUES: dict[type, Any] = {
    Moments: Moments.of([1.0, 2.5]),
    RatioMoments: RatioMoments.of([1.0, 2.5], [2.0, 3.0]),
    RateCounts: RateCounts(10, 3),
    Interval: Interval(estimate=0.5, lower=float("-inf"), upper=1.0, n=3, alpha=0.05),
    FeatureBins: BINS,
}
DETECTORS = [EDetector, TwoSidedEDetector]


def stateful() -> Iterator[type]:
    for module in pkgutil.iter_modules(tidewheel.stats.__path__, "tidewheel.stats."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and (hasattr(found, "update") or hasattr(found, "from_dict")):
                yield found


def stored(statistic: Any) -> Any:
    return json.loads(json.dumps(statistic.to_dict(), allow_nan=False))


def assert_close(a: Any, b: Any) -> None:
    """Equal JSON values, numbers up to rounding."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_close(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_close(x, y)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-9, abs=1e-9)
    else:
        assert a == b


def test_every_statistic_with_a_state_is_held_to_these_laws() -> None:
    found = set(stateful())
    assert found == STREAMS.keys() | VALUES.keys()
    assert {one for one in found if hasattr(one, "reading")} == set(DETECTORS)


@pytest.mark.parametrize("value", VALUES.values(), ids=lambda v: type(v).__name__)
def test_a_value_survives_json(value: Any) -> None:
    assert stored(type(value).from_dict(stored(value))) == stored(value)


@pytest.mark.parametrize("kind", STREAMS, ids=lambda c: c.__name__)
def test_a_statistic_killed_and_restored_goes_on_identically(kind: type) -> None:
    make, feed = STREAMS[kind]
    x = np.random.default_rng(1).random(800)
    kept = make()
    feed(kept, x[:400])
    restored = kind.from_dict(stored(kept))  # type: ignore[attr-defined]
    assert stored(restored) == stored(kept)
    feed(kept, x[400:])
    feed(restored, x[400:])
    assert stored(restored) == stored(kept)


@pytest.mark.parametrize("kind", STREAMS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("shift", [0.0, 0.35], ids=["null", "alarming"])
def test_how_a_stream_is_cut_into_batches_does_not_matter(kind: type, shift: float) -> None:
    make, feed = STREAMS[kind]
    x = np.clip(np.random.default_rng(2).random(800) + shift, 0, 1)
    whole, cut = make(), make()
    feed(whole, x)
    for part in (x[:40], x[40:40], x[40:360], x[360:]):
        feed(cut, part)
    assert_close(stored(cut), stored(whole))


@pytest.mark.parametrize("kind", DETECTORS, ids=lambda c: c.__name__)
def test_a_detector_never_alarms_on_a_constant_stream_at_its_null(kind: type) -> None:
    """Up to 1/alpha rows: at the very edge of the null a Shiryaev-Roberts sum counts its rows, R_n = n."""
    make, feed = STREAMS[kind]
    detector = make()
    feed(detector, np.full(960, 0.5))
    assert not detector.reading().alarm


@pytest.mark.parametrize("kind", DETECTORS, ids=lambda c: c.__name__)
def test_a_detector_alarms_on_a_plain_change_and_keeps_saying_when(kind: type) -> None:
    make, feed = STREAMS[kind]
    detector = make()
    feed(detector, np.random.default_rng(3).random(400))
    assert not detector.reading().alarm
    feed(detector, np.full(1200, 1.0))
    first = detector.reading()
    assert first.alarm
    feed(detector, np.full(400, 1.0))
    assert detector.reading().alarm
    again = detector.reading()
    assert (again.alarm_index, again.change_index) == (first.alarm_index, first.change_index)
    assert abs(first.change_index - 400) < 40
