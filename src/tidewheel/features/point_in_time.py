"""Feature values as of many instants at once: the training side of `FeatureView`.

Events become tiles, tiles are folded between the bounds of each row's window; rows that share key and tile are folded
once. The folding is `tile_layout`'s, the same as in serving. Pure; numpy, and faster than a join in a database because
each window is a contiguous run of tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidewheel.features.events import Events, as_keys
from tidewheel.features.tile_layout import Floats, Ints, values_of
from tidewheel.features.view import FeatureView


@dataclass(frozen=True, slots=True)
class TileTable:
    """All tiles of all keys, by key and then number; `rows` has one more row at its end, an empty tile."""

    codes: Ints
    numbers: Ints
    rows: Floats


def values_at(view: FeatureView, events: Events, keys: pa.ChunkedArray, at_us: Ints) -> dict[str, Floats]:
    """The view's features for each key at its instant, in the view's order of features."""
    codes = pc.index_in(as_keys(keys), value_set=events.keys)
    known: Ints = pc.fill_null(codes, -1).to_numpy().astype(np.int64)
    columns: dict[int, Floats] = {}
    if view.layout.width:
        with np.errstate(all="ignore"):  # the mean of nothing is NaN, and sums may overflow to infinity
            _fold_windows(view, make_tiles(view, events), known, at_us, columns)
    for place, column in view.lasts:
        columns[place] = _last_before(events, column, known, at_us, view.ttl_us)
    return {name: columns[place] for place, name in enumerate(view.names)}


def make_tiles(view: FeatureView, events: Events) -> TileTable:
    """The tiles of a view's events."""
    layout, numbers = view.layout, events.at_us // view.every_us
    begins = np.ones(len(numbers), dtype=bool)
    begins[1:] = (events.codes[1:] != events.codes[:-1]) | (numbers[1:] != numbers[:-1])
    starts = np.flatnonzero(begins)
    tile_of = np.cumsum(begins) - 1
    rows = np.empty((len(starts) + 1, layout.width))
    rows[-1] = layout.empty
    rows[:-1, 0] = numbers[starts]
    rows[:-1, 1] = np.bincount(tile_of, minlength=len(starts))
    for column, slots in layout.columns.items():
        values = events.values[column]
        missing = np.isnan(values)
        present = np.where(missing, 0.0, values)
        # bincount adds one event after the other, as a push does.
        sums = ((slots.valid, 1.0 - missing), (slots.total, present), (slots.squares, present * present))
        for slot, weights in sums:
            if slot:
                rows[:-1, slot] = np.bincount(tile_of, weights=weights, minlength=len(starts))
        if slots.least and len(starts):
            rows[:-1, slots.least] = np.minimum.reduceat(np.where(missing, np.inf, values), starts)
        if slots.greatest and len(starts):
            rows[:-1, slots.greatest] = np.maximum.reduceat(np.where(missing, -np.inf, values), starts)
    return TileTable(events.codes[starts], numbers[starts], rows)


def _fold_windows(view: FeatureView, tiles: TileTable, codes: Ints, at_us: Ints, columns: dict[int, Floats]) -> None:
    oldest = int(tiles.numbers.min()) if len(tiles.numbers) else 0
    span = (int(tiles.numbers.max()) - oldest if len(tiles.numbers) else 0) + 2
    places = tiles.codes * span + (tiles.numbers - oldest)
    ends = np.clip(at_us // view.every_us - oldest, -view.layout.longest, span - 1 + view.layout.longest)
    reach = span + 2 * view.layout.longest + 1
    asked, back = np.unique(codes * reach + ends + view.layout.longest, return_inverse=True)
    asked_codes, asked_ends = asked // reach, asked % reach - view.layout.longest
    stop = _find(places, asked_codes, np.clip(asked_ends, 0, span - 1), span)
    for window, features in view.layout.by_window.items():
        first = _find(places, asked_codes, np.clip(asked_ends - window, 0, span - 1), span)
        folded = view.layout.fold_many(tiles.rows, first, stop)
        for feature in features:
            columns[feature.place] = values_of(feature, folded)[back]


def _find(places: Ints, codes: Ints, numbers: Ints, span: int) -> Ints:
    """The first tile of each key not before a number; an unknown key (-1) finds the very first, and so no run."""
    found: Ints = np.searchsorted(places, codes * span + numbers)
    return np.where(codes < 0, 0, found)


def _last_before(events: Events, column: str, codes: Ints, at_us: Ints, ttl_us: int | None) -> Floats:
    present = ~np.isnan(events.values[column])
    event_codes, event_us, values = events.codes[present], events.at_us[present], events.values[column][present]
    if not len(values):
        return np.full(len(codes), np.nan)
    # Instants as ranks keep key and instant together within 64 bits.
    instants = np.unique(event_us)
    span = len(instants) + 1
    places = event_codes * span + np.searchsorted(instants, event_us)
    found: NDArray[np.intp] = np.searchsorted(places, codes * span + np.searchsorted(instants, at_us)) - 1
    newest = np.maximum(found, 0)
    seen = (found >= 0) & (event_codes[newest] == codes)
    if ttl_us is not None:
        seen &= at_us - event_us[newest] <= ttl_us
    return np.where(seen, values[newest], np.nan)


def newest_two(events: Events, column: str) -> tuple[Floats, NDArray[np.bool_]]:
    """For each key the newest value and the one before it in time: (at, value, at, value), -inf where there is none;
    and which keys have any."""
    present = ~np.isnan(events.values[column])
    codes, at_us, values = events.codes[present], events.at_us[present], events.values[column][present]
    slots = np.tile([-np.inf, np.nan, -np.inf, np.nan], (len(events.keys), 1))
    ends = np.ones(len(codes), dtype=bool)  # the last event of each key and instant is the one that counts
    ends[:-1] = (codes[1:] != codes[:-1]) | (at_us[1:] != at_us[:-1])
    codes, at_us, values = codes[ends], at_us[ends], values[ends]
    newest = np.ones(len(codes), dtype=bool)
    newest[:-1] = codes[1:] != codes[:-1]
    second = np.zeros(len(codes), dtype=bool)
    second[:-1] = newest[1:] & ~newest[:-1]
    for which, slot in ((newest, 0), (second, 2)):
        slots[codes[which], slot] = at_us[which]
        slots[codes[which], slot + 1] = values[which]
    return slots, slots[:, 0] > -np.inf
