"""Switchback assignment: the coin is tossed per zone x time window, not per rider, and observations are its clusters.

When arms share something (drivers in a zone), a rider-level A/B is biased: a cheap price in arm B takes the drivers
that arm A needed. Giving a whole zone to one arm for a whole window keeps the arms apart. Called by serving (which
arm does this request belong to) and rollout (cluster the outcomes, then `RatioMoments.of(...).linearised()`). It
must never depend on anything but its arguments: every worker and every replay must see the same coin.

    u = BLAKE2b(salt | zone | window) / 2^64;   arm B when u < share_b

window_s: longer windows mean less carry-over between arms but fewer clusters (the sample size). washout_s: seconds at
the beginning of each window whose outcomes are left out, as they still belong to the arm before.

Bojinov, Simchi-Levi, Zhao, "Design and analysis of switchback experiments", Management Science 2023 (arXiv
2009.00148).

>>> unit = switchback_unit("harbour", at_s=7250.0, window_s=3600)
>>> unit
('harbour', 2)
>>> [switchback_arm(("harbour", hour), salt="surge-7", share_b=0.5) for hour in range(6)]
['A', 'A', 'A', 'B', 'B', 'A']
>>> in_washout(7250.0, window_s=3600, washout_s=120)
True
>>> units, sums, counts = cluster_sums([("a", 1), ("b", 1), ("a", 1)], [1.0, 5.0, 2.0])
>>> units, sums, counts
([('a', 1), ('b', 1)], array([3., 5.]), array([2, 1]))
"""

from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, Ints, finite_column

Unit = tuple[str, int]
Arm = Literal["A", "B"]
Key = TypeVar("Key", bound=Hashable)


def switchback_unit(zone: str, at_s: float, window_s: float) -> Unit:
    """The unit an event belongs to: its zone, and the number of its window since the epoch (`at_s`: UTC seconds)."""
    if not window_s > 0:
        raise ValueError(f"window_s must be positive, got {window_s}")
    return zone, int(at_s // window_s)


def switchback_arm(unit: Unit, *, salt: str, share_b: float = 0.5) -> Arm:
    """The arm of a unit: the same on every machine, independent between units and between salts (experiments)."""
    zone, window = unit
    digest = blake2b(f"{salt}|{zone}|{window}".encode(), digest_size=8).digest()
    return "B" if int.from_bytes(digest, "big") < share_b * 2.0**64 else "A"


def in_washout(at_s: float, *, window_s: float, washout_s: float) -> bool:
    """True in the first `washout_s` seconds of a window."""
    return at_s % window_s < washout_s


def cluster_sums(units: Sequence[Key], values: ArrayLike) -> tuple[list[Key], Floats, Ints]:
    """Per unit, in order of first appearance: the sum of its values and how many there were."""
    column = finite_column(values, "values")
    if len(units) != len(column):
        raise ValueError(f"units and values must describe the same rows, got {len(units)} and {len(column)}")
    index: dict[Key, int] = {}
    codes = np.array([index.setdefault(unit, len(index)) for unit in units], dtype=np.int64)
    counts = np.bincount(codes, minlength=len(index))
    sums = np.bincount(codes, weights=column, minlength=len(index)).astype(np.float64)
    return list(index), sums, counts.astype(np.int64)
