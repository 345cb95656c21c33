"""Fills the online store from the dataset: what the feature values would be had every event been pushed.

The tiles that windows can still reach are computed from the events of one commit and replace what was there, in one
transaction together with the mark of how far the view is filled. So it may be repeated, raced or killed at any point.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from tidewheel.base.units import from_us, to_us
from tidewheel.data import Data
from tidewheel.features.events import Events, events_of
from tidewheel.features.feed import Feed, feed_key
from tidewheel.features.packed_tiles import PackedTiles, key_of, prefix_of
from tidewheel.features.point_in_time import make_tiles, newest_two
from tidewheel.features.records import Filling
from tidewheel.features.view import FeatureView
from tidewheel.storage import KeyValue

_ATTEMPTS = 10


class _Moved(Exception):
    """Another feeder changed the mark meanwhile."""


def fill_view(data: Data, store: KeyValue, view: FeatureView, now: datetime, until: datetime | None) -> Filling | None:
    """Fill a view from its source's commit as of now; None if there is nothing new to fill.

    `until` leaves out events from that instant on.
    """
    commit = data.resolve(view.source.name)
    for _ in range(_ATTEMPTS):
        mark = store.get(feed_key(view))
        feed = Feed.of(mark)
        since = None if view.reach_us is None else (until or now) - timedelta(microseconds=view.reach_us)
        if until is None and feed.commit == commit.number:
            return None
        if since and feed.pushed_from_us is not None and feed.pushed_from_us <= to_us(since):
            return None
        events = _read(data, view, commit.number, since, _earlier(until, feed.pushed_from_us))
        try:
            written = _replace(store, view, events, mark, _filled(view, feed, events, commit.number))
        except _Moved:
            continue
        return Filling(view.name, view.hash, commit.ref, now, len(events.at_us), written)
    return None


def _read(data: Data, view: FeatureView, number: int, since: datetime | None, until: datetime | None) -> Events:
    columns = list(dict.fromkeys([view.entity, view.timestamp, *view.columns]))
    first, stop = [None if bound is None else (view.timestamp, bound) for bound in (since, until)]
    return events_of(view, data.read(view.source.name, number, columns, first, stop))


def _earlier(until: datetime | None, pushed_from_us: int | None) -> datetime | None:
    pushed_from = None if pushed_from_us is None else from_us(pushed_from_us)
    return min(until, pushed_from) if until and pushed_from else until or pushed_from


def _filled(view: FeatureView, feed: Feed, events: Events, number: int) -> Feed:
    newest_us = int(events.at_us.max()) if len(events.at_us) else None
    end_us = None if newest_us is None else (newest_us // view.every_us + 1) * view.every_us
    return replace(feed, commit=number, filled_to_us=end_us if end_us is not None else feed.filled_to_us)


def _replace(store: KeyValue, view: FeatureView, events: Events, mark: bytes | None, feed: Feed) -> int:
    """Write what the events amount to over what was there before pushes took over. Returns the entities written."""
    state = feed_key(view)
    packed = _packed(view, events)
    stale = [key for key, _ in store.scan(prefix_of(view)) if key not in packed]

    def change(key: bytes, value: bytes | None) -> bytes | None:
        if key == state:
            if value != mark:
                raise _Moved
            return feed.packed()
        pushed_from = None if feed.pushed_from_us is None else feed.pushed_from_us
        merged = PackedTiles(view, packed.get(key))
        if value is not None and pushed_from is not None:
            merged.take_over(PackedTiles(view, value), pushed_from)
        return merged.packed() if merged else None

    store.update_many([state, *packed, *stale], change)
    return len(packed)


def _packed(view: FeatureView, events: Events) -> dict[bytes, bytes]:
    """What each entity's events amount to, as the store holds it."""
    keys = [key_of(view, entity) for entity in events.keys.to_pylist()]
    lasts = [newest_two(events, column)[0] for _, column in view.lasts]
    heads = np.concatenate(lasts, axis=1) if lasts else np.empty((len(keys), 0))
    if not view.layout.width:
        return {key: heads[code].tobytes() for code, key in enumerate(keys)}
    tiles = make_tiles(view, events)
    bounds = np.searchsorted(tiles.codes, np.arange(len(keys) + 1))
    return {
        key: heads[code].tobytes() + tiles.rows[bounds[code] : bounds[code + 1]].tobytes()
        for code, key in enumerate(keys)
    }
