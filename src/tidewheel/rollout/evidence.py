"""What is known of a rollout: for each stage and arm, failures, latencies and the goal, as sums that only grow.

Written by `fold.py`, read by `judge.py`. Everything here merges by adding, fits in a few kilobytes however much traffic
there was, and is JSON. Stages are kept apart on purpose: see `goal.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Overloaded
from tidewheel.stats import LogHistogram, RateCounts, RatioMoments

Sums = tuple[float, int]
"""A unit: the sum of its values, and how many labelled predictions they came from."""

AGREE_RELATIVE = 0.01
"""Two outputs agree when they differ by at most this part of the champion's (and 1e-9)."""


def is_failure(status: int) -> bool:
    """Whether a status speaks against the version: the server's failures, and 429, since of those only the ones are
    logged whose version had let as many requests wait as may (what is refused before it has a version is not)."""
    return status >= 500 or status == Overloaded.status


class Arm(StrEnum):
    """The two sides of the comparison."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"


@dataclass(slots=True)
class ArmEvidence:
    """One arm in one stage.

    `requests` counts what failed by the version's fault (`is_failure`); `goal` holds the labelled predictions by unit,
    `labelled` is how many predictions that is.
    """

    requests: RateCounts = field(default_factory=RateCounts)
    latency_ms: LogHistogram = field(default_factory=LogHistogram)
    goal: RatioMoments = field(default_factory=RatioMoments)
    labelled: int = 0

    def add_requests(self, statuses: Sequence[int], latencies_ms: Sequence[float]) -> None:
        """Count answered requests; those that failed have no latency worth comparing."""
        failed = [is_failure(status) for status in statuses]
        self.requests = self.requests.merge(RateCounts(len(failed), sum(failed)))
        self.latency_ms.add(np.asarray([ms for ms, each in zip(latencies_ms, failed, strict=True) if not each]))

    def add_units(self, grown: Sequence[tuple[Sums, Sums]]) -> None:
        """Units' sums grew, each from the first of its pair to the second."""
        before, after = zip(*grown, strict=True) if grown else ((), ())
        self.goal = self.goal.merge(_negative(_moments(before))).merge(_moments(after))
        self.labelled += sum(rows for _, rows in after) - sum(rows for _, rows in before)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "requests": self.requests.to_dict(),
            "latency_ms": self.latency_ms.to_dict(),
            "goal": self.goal.to_dict(),
            "labelled": self.labelled,
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            RateCounts.from_dict(state["requests"]),
            LogHistogram.from_dict(state["latency_ms"]),
            RatioMoments.from_dict(state["goal"]),
            int(state["labelled"]),
        )


@dataclass(slots=True)
class Agreement:
    """How often, in the shadow, candidate and champion gave (nearly) the same answer to the same request."""

    pairs: int = 0
    agreeing: int = 0
    total_difference: float = 0.0

    def add(self, champion: NDArray[np.float64], candidate: NDArray[np.float64]) -> None:
        """Compare the outputs for one request; outputs of another length agree in nothing."""
        self.pairs += 1
        if champion.shape != candidate.shape or not len(champion):
            return
        differences = np.abs(candidate - champion)
        self.agreeing += bool((differences <= 1e-9 + AGREE_RELATIVE * np.abs(champion)).all())
        self.total_difference += float(np.nan_to_num(differences).max())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"pairs": self.pairs, "agreeing": self.agreeing, "total_difference": self.total_difference}


@dataclass(slots=True)
class StageEvidence:
    """Both arms of one stage, and how far they agreed where both answered the same requests."""

    champion: ArmEvidence = field(default_factory=ArmEvidence)
    candidate: ArmEvidence = field(default_factory=ArmEvidence)
    agreement: Agreement = field(default_factory=Agreement)

    def arm(self, arm: Arm) -> ArmEvidence:
        """The evidence of one arm."""
        return self.champion if arm is Arm.CHAMPION else self.candidate

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "champion": self.champion.to_dict(),
            "candidate": self.candidate.to_dict(),
            "agreement": self.agreement.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            ArmEvidence.from_dict(state["champion"]),
            ArmEvidence.from_dict(state["candidate"]),
            Agreement(**state["agreement"]),
        )


def _moments(units: Sequence[Sums]) -> RatioMoments:
    return RatioMoments.of([total for total, _ in units], [float(rows) for _, rows in units])


def _negative(sums: RatioMoments) -> RatioMoments:
    return RatioMoments(
        -sums.clusters, -sums.total, -sums.count, -sums.total_squares, -sums.total_count, -sums.count_squares
    )
