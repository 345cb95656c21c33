"""Who gets which version: a pure function of salt, unit and weights, the same in every worker and after every restart.

A unit is hashed to a point of [0, 1); versions lie on that line one after another, each as long as its share.
Newcomers lie first and the champion last, so raising a newcomer from 5 % to 25 % keeps the callers it has.

>>> line = hash_line({"new": 25.0, "old": 75.0})
>>> sum(pick(line, point_of("surge", f"rider{n}")) == "new" for n in range(10_000)) // 100
25
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

Line = tuple[tuple[float, str], ...]
_SCALE = 2.0**-64


def point_of(salt: str, unit: str) -> float:
    """Where a unit lies in [0, 1)."""
    digest = blake2b(f"{salt}\0{unit}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") * _SCALE


def hash_line(weights: Mapping[str, float]) -> Line:
    """The upper end of each version's stretch, in the order of the weights; shares are scaled to their sum."""
    total = sum(weights.values())
    line, end = [], 0.0
    for version, share in weights.items():
        if share > 0:
            end += share / total
            line.append((end, version))
    return tuple(line)


def pick(line: Line, point: float) -> str:
    """The version whose stretch holds the point."""
    for end, version in line:
        if point < end:
            return version
    return line[-1][1]


def order_weights(before: Sequence[str], weights: Mapping[str, float]) -> dict[str, float]:
    """The weights in the order of the line: newcomers first, then the versions of `before` as they lay."""
    newcomers = [version for version in weights if version not in before]
    return {version: weights[version] for version in [*newcomers, *(v for v in before if v in weights)]}


def switchback_unit(entity: str, at_us: int, window_s: float) -> str:
    """The name of the cell that an entity is in at an instant."""
    return f"{entity}@{int(at_us // (window_s * 1_000_000))}"
