"""How a candidate meets traffic: what a project file writes (`tw.Canary(...)`, `Shadow`, `AB`) and the `Plan` it means.

A definition is for people (durations as text, sensible defaults); a `Plan` is for the walk and the judge (numbers only,
JSON, stored with the rollout, so that a rollout under way never changes its rules). Pure: nothing here touches a store.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import format_duration, parse_duration
from tidewheel.rollout.guardrails import Guardrail, parse_guardrail

DEFAULT_GUARDRAILS = ("error_rate", "latency_p99")
CONVERSION = "conversion"  # the goal that means the loop's own label


@dataclass(frozen=True, slots=True)
class Goal:
    """What the candidate is judged by: the mean of the label value `key` per labelled prediction."""

    key: str
    maximise: bool = True


@dataclass(frozen=True, slots=True)
class Unit:
    """What the coin is tossed for: each request's own key, or a slice of an entity's time (a switchback)."""

    entity: str = ""
    window_s: float = 0.0

    @property
    def switchback(self) -> bool:
        """Whether the coin is tossed per entity and window instead of per request key."""
        return self.window_s > 0


def switchback(entity: str, window: str) -> Unit:
    """Toss the coin per entity and window, as in ``tw.switchback("zone", "1h")``.

    All requests of one entity in one window meet the same version, so arms that share something (drivers, stock, a
    queue) do not compete for it within a window. The window, not the request, is then the unit of analysis.

    Raises:
        InvalidInput: if the window is not a duration.
    """
    return Unit(entity, parse_duration(window).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rules of one rollout, as numbers.

    `shares` are the candidate's percentages, one a canary stage, below 100. `expected_units` is the number of
    independent units (request keys, switchback windows) at which a verdict is hoped for: it tunes where the goal's
    interval is tightest, never whether it is right.
    """

    shadow_s: float
    shares: tuple[float, ...]
    guardrails: tuple[Guardrail, ...]
    goal: Goal | None
    unit: Unit
    min_per_stage: int
    max_stage_s: float
    margin: float
    alpha_harm: float
    alpha_promote: float
    expected_units: int

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shadowed(self) -> bool:
        """Whether the walk begins with a shadow."""
        return self.shadow_s > 0

    @property
    def stage_count(self) -> int:
        """Stages before the end: the shadow, if there is one, and the canary steps."""
        return len(self.shares) + self.shadowed

    def share(self, stage: int) -> float:
        """The candidate's percentage of live traffic in a stage; 0 in the shadow."""
        step = stage - self.shadowed
        return self.shares[step] if step >= 0 else 0.0

    def stage_name(self, stage: int) -> str:
        """``shadow`` or, say, ``canary 25 %``."""
        return f"canary {self.share(stage):g} %" if self.share(stage) else "shadow"

    def describe(self) -> str:
        """One line for people: ``shadow 10m, 5 %, 25 %, 50 %, all``."""
        shadow = [f"shadow {format_duration(self.shadow_s)}"] if self.shadowed else []
        return ", ".join([*shadow, *(f"{share:g} %" for share in self.shares), "all"])


@dataclass(frozen=True, slots=True)
class Canary:
    """A growing share of live traffic, watched at every step.

    Args:
        shadow: how long the candidate first answers copies of requests, unseen; None to go without.
        steps: its percentages of live traffic; the last is 100, which means promotion.
        guardrails: what must not be proven broken: ``error_rate``, ``latency_p99`` (against the champion), or with an
            absolute limit as in ``latency_p99<50ms`` or ``error_rate<2%``.
        goal: the label value whose mean per prediction should not fall; ``-cost`` where less is better, ``conversion``
            for the loop's own label. None: guardrails alone decide.
        unit: `switchback("zone", "1h")`, where arms share what they compete for; default: the request's key.
        min_per_stage: labelled candidate predictions (without a goal: candidate requests) before a stage may end.
        max_stage: a stage that lasts longer without a verdict ends the rollout as inconclusive, with a rollback.
        margin: the loss of the goal, relative to the champion's mean, that still counts as "not worse".
        alpha_harm: chance, over the whole rollout, of rolling back a candidate that is no worse.
        alpha_promote: chance, over the whole rollout, of promoting a candidate that is worse than the margin.
    """

    shadow: str | None = "10m"
    steps: Sequence[float] = (5, 25, 50, 100)
    guardrails: Sequence[str] = DEFAULT_GUARDRAILS
    goal: str | Goal | None = None
    unit: Unit | None = None
    min_per_stage: int = 200
    max_stage: str = "24h"
    margin: float = 0.02
    alpha_harm: float = 0.01
    alpha_promote: float = 0.05

    def __post_init__(self) -> None:
        self.plan(label="label")  # a wrong definition is refused where it is written

    def plan(self, label: str | None = None) -> Plan:
        """The rules as numbers; `label` is what the goal ``conversion`` means.

        Raises:
            InvalidInput: if the definition cannot be walked.
        """
        unit = self.unit or Unit()
        return Plan(
            shadow_s=parse_duration(self.shadow).total_seconds() if self.shadow else 0.0,
            shares=_shares(self.steps),
            guardrails=tuple(parse_guardrail(text) for text in self.guardrails),
            goal=_goal(self.goal, label),
            unit=unit,
            min_per_stage=self.min_per_stage,
            max_stage_s=parse_duration(self.max_stage).total_seconds(),
            margin=self.margin,
            alpha_harm=self.alpha_harm,
            alpha_promote=self.alpha_promote,
            expected_units=200 if unit.switchback else max(1000, 10 * self.min_per_stage),
        )


def Shadow(  # noqa: N802  (reads as the kind of rollout that it makes)
    duration: str = "1h",
    *,
    guardrails: Sequence[str] = DEFAULT_GUARDRAILS,
    max_stage: str = "24h",
    alpha_harm: float = 0.01,
) -> Canary:
    """A shadow and then, if no guardrail broke, all traffic at once.

    For endpoints whose labels never come or whose traffic is too thin to split.
    """
    return Canary(shadow=duration, steps=(100,), guardrails=guardrails, max_stage=max_stage, alpha_harm=alpha_harm)


def AB(  # noqa: N802  (reads as the kind of rollout that it makes)
    goal: str | Goal,
    *,
    share: float = 50,
    guardrails: Sequence[str] = DEFAULT_GUARDRAILS,
    unit: Unit | None = None,
    min_per_stage: int = 200,
    max_stage: str = "14d",
    alpha_harm: float = 0.01,
    alpha_promote: float = 0.05,
) -> Canary:
    """One split, kept until the candidate is proven *better* (promoted) or worse, or time is up (rolled back)."""
    return Canary(
        shadow=None,
        steps=(share, 100),
        guardrails=guardrails,
        goal=goal,
        unit=unit,
        min_per_stage=min_per_stage,
        max_stage=max_stage,
        margin=0.0,
        alpha_harm=alpha_harm,
        alpha_promote=alpha_promote,
    )


def _shares(steps: Sequence[float]) -> tuple[float, ...]:
    shares = tuple(float(step) for step in steps)
    growing = all(low < high for low, high in pairwise(shares))
    if not shares or shares[-1] != 100 or shares[0] <= 0 or not growing:
        raise InvalidInput(
            f"The steps {list(steps)} do not lead anywhere.",
            fix="Give growing percentages above 0 that end in 100, as in steps=[5, 25, 50, 100].",
        )
    return shares[:-1]


def _goal(goal: str | Goal | None, label: str | None) -> Goal | None:
    if isinstance(goal, str):
        goal = Goal(goal.removeprefix("-"), maximise=not goal.startswith("-"))
    if goal is None or goal.key != CONVERSION:
        return goal
    if label is None:
        raise InvalidInput(
            "The goal 'conversion' means the label of a loop, and there is none here.",
            fix="Name the label value itself, as in goal='accepted'.",
        )
    return Goal(label, goal.maximise)


def _check(plan: Plan) -> None:
    if plan.goal is not None and not plan.shares:
        raise InvalidInput("A goal needs live traffic.", fix="Add a step below 100, or leave the goal out.")
    if plan.goal is not None and not plan.goal.key:
        raise InvalidInput("The goal has no name.", fix="Name a label value, as in goal='value' or goal='-cost'.")
    if plan.stage_count == 0:
        raise InvalidInput("The candidate would be promoted unseen.", fix="Give a shadow, or a step below 100.")
    if plan.min_per_stage < 1:
        raise InvalidInput(f"min_per_stage is {plan.min_per_stage}.", fix="Ask for at least 1 prediction.")
    if not 0 <= plan.margin < 1:
        raise InvalidInput(f"The margin {plan.margin} is not a part of the champion's mean.", fix="As in margin=0.02.")
    for name, alpha in (("alpha_harm", plan.alpha_harm), ("alpha_promote", plan.alpha_promote)):
        if not (math.isfinite(alpha) and 0 < alpha < 0.5):
            raise InvalidInput(f"{name} is {alpha}.", fix="Give an error rate between 0 and 0.5, as in 0.01.")
    if plan.max_stage_s <= plan.shadow_s:
        raise InvalidInput(
            "The shadow lasts as long as a stage may last.", fix="Raise max_stage or shorten the shadow."
        )
