"""Counts events into the online store as they happen: what an inference worker's `/push` does, and `Features.push`.

Needs a view and a store, no database. All rows of a push are counted in one transaction or none. An event that is older
than what pushes have taken over, or than any window of its entity's newest tile, is passed over and told of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import from_us, parse_instant, to_us
from tidewheel.features.feed import Feed, feed_key
from tidewheel.features.packed_tiles import PackedTiles, key_of
from tidewheel.features.records import PushResult
from tidewheel.features.view import FeatureView

if TYPE_CHECKING:
    from tidewheel.storage import KeyValue

Event = tuple[int, list[float | None]]

_YEAR_10000_US = 253_402_300_800_000_000
_AHEAD_US = 3_600_000_000


def push_rows(
    store: KeyValue, view: FeatureView, rows: Sequence[Mapping[str, Any]], *, now_us: int | None = None
) -> PushResult:
    """Count rows, each an event of the view, in the order given.

    Args:
        store: the online store.
        view: whose events they are.
        rows: a value for the entity, the timestamp and each column that the view reads.
        now_us: the platform's time; events more than an hour ahead of it are refused, since one with a wrong time zone
            would push its entity's present out of every window.

    Raises:
        InvalidInput: if a row lacks the entity, the instant or a number where one must be, or lies in the future; then
            none is counted.
    """
    events = _by_key(view, rows)
    if not events:
        return PushResult(view.name, 0, 0)
    _refuse_future(view, events, now_us)
    first_us = min(at_us for of_key in events.values() for at_us, _ in of_key)
    late = 0
    feed = Feed()

    def change(key: bytes, value: bytes | None) -> bytes | None:
        nonlocal late, feed
        if key == state:
            feed = Feed.of(value)
            if feed.pushed_from_us is None:
                feed = feed.with_first_push(view, first_us)
            return feed.packed()
        tiles = PackedTiles(view, value)
        taken_over_us = feed.pushed_from_us or 0
        for at_us, values in events[key]:
            if at_us < taken_over_us or not tiles.add(at_us, values):
                late += 1
        return tiles.packed() if tiles else value

    state = feed_key(view)
    store.update_many([state, *events], change)
    return PushResult(view.name, len(rows) - late, late)


def _by_key(view: FeatureView, rows: Sequence[Mapping[str, Any]]) -> dict[bytes, list[Event]]:
    """Events by their key in the store, in the order given."""
    events: dict[bytes, list[Event]] = {}
    for place, row in enumerate(rows):
        entity = row.get(view.entity)
        if entity is None:
            raise _wrong(view, place, view.entity, "is missing")
        values = [_number(view, place, column, row.get(column)) for column in view.columns]
        event = (_instant_us(view, place, row.get(view.timestamp)), values)
        events.setdefault(key_of(view, str(entity)), []).append(event)
    return events


def _refuse_future(view: FeatureView, events: Mapping[bytes, list[Event]], now_us: int | None) -> None:
    newest_us = max(at_us for of_key in events.values() for at_us, _ in of_key)
    if now_us is not None and newest_us > now_us + _AHEAD_US:
        raise InvalidInput(
            f"An event pushed to {view.name!r} lies in the future: {from_us(newest_us):%Y-%m-%d %H:%M:%S} UTC.",
            where=view.timestamp,
            fix="Send instants in UTC, or with their offset.",
        )


def _instant_us(view: FeatureView, place: int, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _YEAR_10000_US:
        return value  # microseconds since 1970, as the platform keeps instants
    if isinstance(value, str | datetime):
        try:
            return to_us(parse_instant(value))
        except InvalidInput:
            pass
    raise _wrong(view, place, view.timestamp, f"is {value!r:.100}, not an instant in ISO 8601 or microseconds")


def _number(view: FeatureView, place: int, column: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        number = float(value)
        return number if math.isfinite(number) else None
    raise _wrong(view, place, column, f"is {value!r:.100}, not a number")


def _wrong(view: FeatureView, place: int, column: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"In row {place} pushed to {view.name!r} {column!r} {what}.",
        fix=f"Give {view.entity!r} and {view.timestamp!r}.",
    )
