"""Who feeds a view in the online store, and how far: kept in the store itself, beside what it protects.

A view has one feeder at a time. Materialisation fills tiles from the dataset until the first push; from the next
tile on after it, `pushed_from_us`, pushes alone count events, and materialisation fills only the tiles before. So an
event that comes both ways is counted once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from tidewheel.features.view import FeatureView

_PACKED = struct.Struct("<qqq")
_NONE = -(2**63)


@dataclass(frozen=True, slots=True)
class Feed:
    """How far a view is filled: the commit materialised last, the end of its newest tile, where pushes take over."""

    commit: int | None = None
    filled_to_us: int | None = None
    pushed_from_us: int | None = None

    @classmethod
    def of(cls, packed: bytes | None) -> Feed:
        """From what the store holds."""
        if packed is None:
            return cls()
        return cls(*(None if number == _NONE else number for number in _PACKED.unpack(packed)))

    def packed(self) -> bytes:
        """As the store holds it."""
        numbers = (self.commit, self.filled_to_us, self.pushed_from_us)
        return _PACKED.pack(*(_NONE if number is None else number for number in numbers))

    def with_first_push(self, view: FeatureView, at_us: int) -> Feed:
        """Pushes take over at the next tile's beginning, and not before the end of what is filled already."""
        next_tile_us = (at_us // view.every_us + 1) * view.every_us if view.layout.width else at_us
        return replace(self, pushed_from_us=max(next_tile_us, self.filled_to_us or next_tile_us))


def feed_key(view: FeatureView) -> bytes:
    """Where a view's feed is kept."""
    return b"s" + bytes.fromhex(view.hash[:16])
