"""Means of blocks of time, for detectors whose rows are not independent of each other.

The flights of one stormy day are late together, the riders of one concert refuse together: a thousand such labels are
one observation, and a detector that counts them as a thousand alarms at every storm. With a block as the unit only
blocks need be independent of the past. Used by `outcome_drift`, one for each watch that was declared with `per=`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.units import parse_duration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Micros = NDArray[np.int64]


@dataclass(slots=True)
class Blocks:
    """Sums of values by block of `length_us`, counted from 1970; a block that has closed is given once, as its mean.

    A block stays open for labels until half its length after its end. What comes later counts in the oldest that is
    open: labels that are always later than a block is long are thus counted by when they came.
    """

    length_us: int
    sums: dict[int, tuple[int, float]] = field(default_factory=dict)
    first_open: int = 0
    taken: int = 0

    @property
    def progress(self) -> int:
        """A number that grows whenever the state has changed."""
        return self.first_open + self.taken

    def add(self, at_us: Micros, values: Floats) -> None:
        """Take values by the instants of their predictions."""
        numbers, places = np.unique(np.maximum(at_us // self.length_us, self.first_open), return_inverse=True)
        counts, totals = np.bincount(places), np.bincount(places, weights=values)
        for number, count, total in zip(numbers.tolist(), counts.tolist(), totals.tolist(), strict=True):
            before = self.sums.get(number, (0, 0.0))
            self.sums[number] = (before[0] + count, before[1] + total)
        self.taken += len(values)

    def close(self, now_us: int) -> tuple[Micros, Floats]:
        """The beginnings and means of the blocks that have closed by `now_us` and held anything, in order."""
        self.first_open = max(self.first_open, (now_us - self.length_us // 2) // self.length_us)
        closed = sorted(number for number in self.sums if number < self.first_open)
        sums = [self.sums.pop(number) for number in closed]
        begins_us = np.array(closed, dtype=np.int64) * self.length_us
        return begins_us, np.array([total / count for count, total in sums])

    def reset(self) -> None:
        """Forget what is open; blocks that have closed stay closed."""
        self.sums.clear()
        self.taken = 0

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        sums = [[number, count, total] for number, (count, total) in self.sums.items()]
        return {"sums": sums, "first_open": self.first_open, "taken": self.taken}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that `to_dict` gave."""
        self.sums = {number: (count, total) for number, count, total in state["sums"]}
        self.first_open, self.taken = state["first_open"], state["taken"]


def blocks_of(per: str | None) -> Blocks | None:
    """The blocks that a monitor's `per` means; None where each label counts for itself.

    Raises:
        InvalidInput: if `per` is not a duration.
    """
    return Blocks(parse_duration(per) // timedelta(microseconds=1)) if per else None
