"""One look at the goal: proven worse, proven good enough, or still open. Pure; called by `judge.py`.

Two one-sided questions are asked of the same stages: is the candidate worse than the champion (harm), and is it better
than the champion less the margin (promotion). Each has its own alpha; between them a candidate slightly worse than the
champion may be answered either way, and may honestly stay open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tidewheel.rollout.checks import Check, finite
from tidewheel.rollout.evidence import ArmEvidence, StageEvidence
from tidewheel.rollout.goal import Stratum, stratified_difference, stratified_mean
from tidewheel.rollout.plans import Goal, Plan
from tidewheel.stats import Moments

BURN_IN_UNITS = 100
BURN_IN_WINDOWS = 30


def check_goal(plan: Plan, goal: Goal, canaries: Sequence[StageEvidence], alpha_harm: float) -> Check:
    """Test the goal over all canary stages; the numbers say `proven_bad` and `proven_good`."""
    sign = 1.0 if goal.maximise else -1.0
    strata = [Stratum(_moments(stage.champion, sign), _moments(stage.candidate, sign)) for stage in canaries]
    champion, candidate = stratified_mean(strata)
    burn_in = BURN_IN_WINDOWS if plan.unit.switchback else BURN_IN_UNITS
    harm = stratified_difference(
        strata, alpha=alpha_harm, expected_units=plan.expected_units, burn_in=burn_in, side="upper"
    )
    good = stratified_difference(
        strata,
        alpha=plan.alpha_promote,
        expected_units=plan.expected_units,
        burn_in=burn_in,
        champion_factor=1.0 - math.copysign(plan.margin, champion),  # a loss, also where the mean is negative
        side="lower",
    )
    numbers = {
        "key": goal.key,
        "maximise": goal.maximise,
        "champion": sign * champion,
        "candidate": sign * candidate,
        "gain": harm.estimate,
        "gain_relative": harm.estimate / abs(champion) if champion else None,
        "gain_at_most": finite(harm.upper),
        "alpha_harm": harm.alpha,
        "proven_bad": harm.upper < 0,
        "margin": plan.margin,
        "gain_over_margin": good.estimate,
        "gain_over_margin_at_least": finite(good.lower),
        "alpha_promote": good.alpha,
        "proven_good": good.lower > 0,
        "units": harm.n,
        "by_stage": [_stratum_numbers(stratum, sign) for stratum in strata],
    }
    return Check(f"goal:{goal.key}", harm.upper < 0, False, _sentence(plan, numbers), numbers)


def _sentence(plan: Plan, numbers: dict[str, Any]) -> str:
    found = "{key} per prediction is {candidate:.4g} against the champion's {champion:.4g}".format_map(numbers)
    counted = f"{numbers['units']:,} {'windows' if plan.unit.switchback else 'units'} in the smaller arm"
    wanted = f"not more than {plan.margin:.2g} of it worse" if plan.margin else "better"
    if numbers["proven_bad"]:
        return f"{found}: proven worse (alpha {numbers['alpha_harm']:.2g}; {counted})."
    if numbers["proven_good"]:
        return f"{found}: proven {wanted} (alpha {numbers['alpha_promote']:.2g}; {counted})."
    return f"{found}: proven neither {wanted} nor worse ({counted})."


def _moments(arm: ArmEvidence, sign: float) -> Moments:
    found = arm.goal.linearised()
    return Moments(found.n, sign * found.mean, found.m2)


def _stratum_numbers(stratum: Stratum, sign: float) -> dict[str, Any]:
    arms = {"champion": stratum.champion, "candidate": stratum.candidate}
    numbers: dict[str, Any] = {
        name: {"units": moments.n, "mean": sign * moments.mean, "std": moments.std} for name, moments in arms.items()
    }
    return {**numbers, "weight": stratum.weight}
