"""Every prediction and every label counts once: in any cut, in any process, whatever was killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import event
from tests.monitoring.town import HOUR_US, STARTS_AT, Town, traffic

from tidewheel.base.units import from_us, to_us
from tidewheel.monitoring import Bias, DataDrift, PredictionDrift, store
from tidewheel.monitoring.sketches import SketchLayout
from tidewheel.stats import FeatureBins


class FullDiskError(Exception):
    """What a commit says when there is no room."""


ROWS = traffic(5, hours=6)
LAYOUT = SketchLayout({name: FeatureBins.of(ROWS.features[:, place]) for place, name in enumerate("abc")})


def count(rows, step_us):
    return LAYOUT.count_steps(rows.at_us, dict(zip("abc", rows.features.T, strict=True)), step_us)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6 * 60), max_size=5), st.sampled_from([60_000_000, 900_000_000]))
def test_sketches_of_any_parts_merge_to_the_sketch_of_all(cuts_min, step_us):
    edges = [0, *sorted(cuts_min), 6 * 60]
    steps: dict[int, np.ndarray] = {}
    for since, until in pairwise(edges):
        part = ROWS.between(*(to_us(STARTS_AT) + edge * 60_000_000 for edge in (since, until)))
        for at_us, counts in count(part, step_us).items() if len(part.at_us) else ():
            steps[at_us] = steps.get(at_us, 0) + counts
    packed = [(at_us, LAYOUT.pack(steps[at_us])) for at_us in sorted(steps)]
    merged = dict(LAYOUT.merge(packed, HOUR_US))
    once = count(ROWS, HOUR_US)
    assert merged.keys() == once.keys()
    assert all((merged[at_us] == once[at_us]).all() for at_us in once)


def test_missing_and_infinite_values_are_counted_as_missing():
    values = np.array([np.nan, np.inf, -np.inf, 8.0])
    (counts,) = LAYOUT.count_steps(np.zeros(4, dtype=np.int64), dict.fromkeys("abc", values), 60).values()
    assert counts[0].sum() == 4
    assert counts[0, FeatureBins.of(ROWS.features[:, 0]).size - 1] == 3


def test_every_row_is_counted_once_whether_windows_are_closed_or_not(town: Town):
    town.open()
    rows = traffic(1, hours=3.5)
    town.live(rows, every_h=0.25)
    assert town.counted().tolist() == [len(rows.at_us)] * 6
    assert town.seen() == len(rows.at_us)
    town.monitoring.run()
    assert town.seen() == len(rows.at_us)


def test_closed_windows_are_kept_as_one_row_each(sqlite_town: Town):
    sqlite_town.open()
    sqlite_town.live(traffic(1, hours=5))
    with sqlite_town.metadata.read() as connection:
        stored = store.read_sketches(connection, "surge", sqlite_town.version, 0, 1 << 62)
    assert [at_us for at_us, _ in stored] == [to_us(STARTS_AT) + hour * HOUR_US for hour in range(5)]


def test_what_comes_late_for_a_closed_window_counts_in_the_next(sqlite_town: Town):
    sqlite_town.open(monitors=[Bias(), DataDrift(), PredictionDrift(window="15m")])
    rows = traffic(2, hours=4)
    start = to_us(STARTS_AT)
    late = rows.between(start + 3 * HOUR_US - 60_000_000, start + 3 * HOUR_US)
    sqlite_town.send(rows.between(start, start + 3 * HOUR_US - 60_000_000))
    sqlite_town.clock.advance_to(STARTS_AT + timedelta(hours=3))
    sqlite_town.monitoring.run()
    sqlite_town.send(late)
    sqlite_town.send(rows.between(start + 3 * HOUR_US, start + 4 * HOUR_US))
    again = sqlite_town.controller()
    sqlite_town.clock.advance_to(STARTS_AT + timedelta(hours=4))
    sqlite_town.monitoring.run()
    assert sqlite_town.counted().tolist() == [len(rows.at_us)] * 6
    states = looks(sqlite_town.monitoring)
    again.run()
    assert looks(again) == states


def looks(monitoring):
    return [each.watch.to_dict() for watched in monitoring._watched for each in watched.kept]


def test_rows_of_others_are_not_counted(sqlite_town: Town):
    town = sqlite_town
    town.open()
    rows = traffic(3, hours=1)
    town.send(rows, arm="shadow")
    narrow = traffic(3, hours=1)
    town.send(type(narrow)(narrow.at_us, narrow.features[:, :2], narrow.outputs, narrow.accepted))
    town.send(traffic(4, STARTS_AT - timedelta(hours=2), 1))  # before the watch began
    watched, town.version = town.version, "ver_other"
    town.send(rows)
    town.version = watched
    town.monitoring.run()
    assert town.counted().sum() == 0
    assert town.seen() == 0


def test_two_controllers_that_take_turns_never_count_twice(town: Town):
    town.open()
    rows = traffic(6, hours=6)
    others = [town.monitoring, town.controller()]
    start = to_us(STARTS_AT)
    for turn in range(12):
        town.send(rows.between(start + turn * HOUR_US // 2, start + (turn + 1) * HOUR_US // 2))
        town.clock.advance_to(from_us(start + (turn + 1) * HOUR_US // 2))
        others[turn % 3 // 2].run()
    for each in others:
        each.run()
    assert town.counted().tolist() == [len(rows.at_us)] * 6
    assert town.seen() == len(rows.at_us)
    assert looks(others[0]) == looks(others[1])


def test_two_controllers_at_once_never_count_twice(town: Town):
    town.open(monitors=[Bias(), DataDrift()])
    rows = traffic(7, hours=4)
    rooms = [town.controller(), town.controller()]
    start = to_us(STARTS_AT)
    with ThreadPoolExecutor(2) as threads:
        for turn in range(16):
            town.send(rows.between(start + turn * HOUR_US // 4, start + (turn + 1) * HOUR_US // 4))
            town.clock.advance_to(from_us(start + (turn + 1) * HOUR_US // 4))
            list(threads.map(lambda room: room.run(), rooms))
    assert town.counted().tolist() == [len(rows.at_us)] * 6
    assert town.seen() == len(rows.at_us)


def test_a_batch_whose_transaction_fails_is_folded_again_from_what_is_stored(sqlite_town: Town):
    town = sqlite_town
    town.open()
    rows = traffic(8, hours=2)
    town.live(rows.between(to_us(STARTS_AT), to_us(STARTS_AT) + HOUR_US))
    town.send(rows.between(to_us(STARTS_AT) + HOUR_US, to_us(STARTS_AT) + 2 * HOUR_US))

    def fail(*_):
        raise FullDiskError

    event.listen(town.metadata.engine, "commit", fail)
    with pytest.raises(FullDiskError):
        town.monitoring.run()
    event.remove(town.metadata.engine, "commit", fail)
    town.monitoring.run()
    assert town.seen() == len(rows.at_us)
    assert town.counted().tolist() == [len(rows.at_us)] * 6
