"""With `per=` a block of time is one observation: storms do not fire it, a lasting change does, no label is lost."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import from_us
from tidewheel.monitoring import Bias, ConceptDrift, Monitor, ReadingState
from tidewheel.monitoring.blocks import Blocks
from tidewheel.monitoring.outcome_drift import OutcomeWatch
from tidewheel.monitoring.sketches import SketchLayout
from tidewheel.monitoring.watch import Outcomes, Subject

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_US = 1_800_000_000_000_000 // DAY_US * DAY_US
TRAINED = {"p_late": np.full(100, 0.25)}
NOTHING = np.empty(0, dtype=np.int64)
SUBJECT = Subject((), ("p_late",), "late", "p_late", {}, SketchLayout({}), TRAINED, NOTHING, START_US)
DAILY = [
    ConceptDrift("log_loss", tolerance=0.005, alpha=1e-3, per="1d"),
    Bias(tolerance=0.01, alpha=1e-3, per="1d", bound=0.35),
]


def days(seed: int, count: int, *, storm: float = 0.0, shift: float = 0.0, from_day: int = 0) -> Outcomes:
    """Two hundred flights a day with p = 0.25. `storm` moves the truth by day, either way; `shift` for good."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(count), 200)
    at_us = START_US + day * DAY_US + np.sort(rng.integers(0, DAY_US, (count, 200)), axis=1).ravel()
    truth = 0.25 + rng.choice([-storm, storm], count)[day] + shift * (day >= from_day)
    return Outcomes(at_us, (rng.random(len(day)) < truth).astype(float), np.full(len(day), 0.25))


def windows(_since_us: int, _until_us: int, _length_us: int):
    return iter(())


def feed(watch: OutcomeWatch, rows: Outcomes, cuts_us: list[int], since_us: int = 0) -> None:
    """Fold the rows of each span between cuts, and look at the clock after each."""
    for begin_us, until_us in pairwise([since_us, *cuts_us]):
        span = slice(*np.searchsorted(rows.at_us, [begin_us, until_us]))
        watch.fold(Outcomes(rows.at_us[span], rows.truth[span], rows.predicted[span]))
        watch.advance(until_us, windows)


def hourly(count_days: float) -> list[int]:
    return [START_US + hour * HOUR_US for hour in range(1, int(count_days * 24) + 1)]


def stored(watch: OutcomeWatch) -> dict:
    return json.loads(json.dumps(watch.to_dict(), allow_nan=False))


def alarmed(monitor: Monitor, rows: Outcomes, count_days: float) -> bool:
    watch = monitor.begin(SUBJECT)
    feed(watch, rows, hourly(count_days))
    return watch.look().state is ReadingState.ALARM


def test_storms_fire_a_detector_of_labels_and_not_one_of_days() -> None:
    calendars = [days(seed, 40, storm=0.12) for seed in range(8)]
    assert all(alarmed(Bias(tolerance=0.01), rows, 42) for rows in calendars)
    assert not any(alarmed(monitor, rows, 42) for rows in calendars for monitor in DAILY)


@pytest.mark.parametrize("monitor", DAILY, ids=["concept", "bias"])
def test_a_change_that_stays_is_found_and_dated_by_its_day(monitor: Monitor) -> None:
    watch = monitor.begin(SUBJECT)
    feed(watch, days(3, 40, storm=0.05, shift=0.25, from_day=20), hourly(42))
    look = watch.look()
    assert look.state is ReadingState.ALARM
    assert look.change_at is not None
    dated = (look.change_at - from_us(START_US + 20 * DAY_US)).days
    assert -7 <= dated <= 2, "the calm day before the first bad one may be taken in"
    assert look.facts == look.facts | {"labels": 8000, "blocks": 40}


@pytest.mark.parametrize("monitor", DAILY, ids=["concept", "bias"])
def test_a_watch_killed_in_the_middle_of_a_day_goes_on_identically(monitor: Monitor) -> None:
    rows, cuts = days(5, 12, shift=0.1), hourly(13)
    kept = monitor.begin(SUBJECT)
    feed(kept, rows, cuts[:107])
    again = monitor.begin(SUBJECT)
    again.restore(stored(kept), windows)
    assert stored(kept)["blocks"]["sums"], "the day under way is part of the state"
    assert (stored(again), again.look()) == (stored(kept), kept.look())
    for watch in (kept, again):
        feed(watch, rows, cuts[107:], cuts[106])
    assert (stored(again), again.look()) == (stored(kept), kept.look())


@given(st.lists(st.integers(1, 10 * 24), max_size=12))
def test_how_the_labels_are_cut_into_batches_does_not_matter(hours: list[int]) -> None:
    rows, end_us = days(7, 8), START_US + 10 * DAY_US
    whole, cut = DAILY[1].begin(SUBJECT), DAILY[1].begin(SUBJECT)
    feed(whole, rows, [end_us])
    feed(cut, rows, sorted({START_US + hour * HOUR_US for hour in hours} | {end_us}))
    assert cut.look().seen == whole.look().seen == 8
    assert cut.look().log_evidence == pytest.approx(whole.look().log_evidence)


def test_a_label_that_comes_after_its_day_has_closed_counts_in_the_oldest_that_is_open() -> None:
    blocks = Blocks(DAY_US)
    blocks.add(np.array([START_US]), np.array([1.0]))
    assert blocks.close(START_US + DAY_US + DAY_US // 2 - 1)[1].tolist() == []
    assert blocks.close(START_US + DAY_US + DAY_US // 2)[1].tolist() == [1.0]
    blocks.add(np.array([START_US, START_US + DAY_US]), np.array([5.0, 3.0]))
    begins_us, means = blocks.close(START_US + 3 * DAY_US)
    assert (begins_us.tolist(), means.tolist()) == ([START_US + DAY_US], [4.0])


def test_progress_moves_exactly_when_the_state_does() -> None:
    watch = DAILY[1].begin(SUBJECT)
    seen = [(watch.progress, stored(watch))]
    rows, cuts = days(9, 2), hourly(4)
    for since_us, until_us in pairwise([0, *cuts]):
        feed(watch, rows, [until_us], since_us)
        watch.fold(Outcomes(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)))
        seen.append((watch.progress, stored(watch)))
    for (before, state), (after, moved) in pairwise(seen):
        assert (before == after) == (state == moved)


@pytest.mark.parametrize("kind", [ConceptDrift, Bias])
def test_a_block_that_is_no_duration_is_refused_where_it_is_written(kind: type) -> None:
    with pytest.raises(InvalidInput):
        kind(per="a day")
