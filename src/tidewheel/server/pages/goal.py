"""Reads the goal out of a rollout's evidence (`Judgement.evidence`, or a decision's), as relative figures. Pure.

The judge asks two one-sided questions; its two bounds together are the interval shown: the gain is at most
`gain_at_most`, and at least `gain_over_margin_at_least` less the margin. Both hold at every look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalView:
    """The candidate's gain over the champion as a part of the champion's mean, and what is known of it."""

    key: str
    units: int
    gain: float
    low: float | None
    high: float | None
    margin: float
    confidence: float
    champion_mean: float
    candidate_mean: float


def goal_of(evidence: Mapping[str, Any]) -> GoalView | None:
    """The goal in a judgement's evidence, or None if there is none or nothing is known yet."""
    checks = evidence.get("checks", {})
    numbers = next((numbers for name, numbers in checks.items() if name.startswith("goal:")), None)
    if numbers is None or not numbers.get("champion"):
        return None
    size, margin = abs(numbers["champion"]), numbers["margin"]
    at_least, at_most = numbers["gain_over_margin_at_least"], numbers["gain_at_most"]
    return GoalView(
        key=numbers["key"],
        units=numbers["units"],
        gain=numbers["gain"] / size,
        low=None if at_least is None else at_least / size - margin,
        high=None if at_most is None else at_most / size,
        margin=margin,
        confidence=100.0 * (1 - numbers["alpha_harm"] - numbers["alpha_promote"]),
        champion_mean=numbers["champion"],
        candidate_mean=numbers["candidate"],
    )
