"""The decision rule of a rollout: (plan, stage, evidence, time) -> what to do, why, and the numbers behind it. Pure.

In this order, at every look:
1. a guardrail is proven broken, or the goal proven worse     -> rollback, at once
2. the stage has its minimum of evidence, and no guardrail    -> advance; in the last stage promote, as soon as the goal
   is even suspected of being broken                             is proven not worse than the margin
3. the stage has lasted longer than `max_stage`               -> rollback, inconclusive
4. otherwise                                                  -> hold

It may look as often as it likes: every test is anytime-valid. The stated error rates hold for the whole rollout:
- `alpha_harm`, rolling back a candidate that is no worse, is split evenly over the checks (each guardrail, and the
  goal); a guardrail's part is split again over the stages, which it judges apart.
- `alpha_promote`, promoting a candidate that is worse than the margin, goes whole to the one test that can promote.

Called by `rollouts.py`. It must never read a clock or a store: a journaled decision can be replayed from its evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidewheel.base.units import format_duration
from tidewheel.rollout.checks import Check, check_guardrail, finite
from tidewheel.rollout.evidence import ArmEvidence, StageEvidence
from tidewheel.rollout.goal_check import check_goal
from tidewheel.rollout.guardrails import Guardrail
from tidewheel.rollout.plans import Plan
from tidewheel.rollout.states import Move

MIN_SHADOW_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do, in one sentence why, and every number that went into it (JSON)."""

    move: Move
    reason: str
    evidence: dict[str, Any]


def judge(plan: Plan, stage: int, stages: Sequence[StageEvidence], waited_s: float) -> Judgement:
    """Decide on a rollout that has been in `stage`, an index into `stages`, for `waited_s`."""
    here = stages[stage]
    alpha = alpha_per_check(plan)
    checks = [
        check_guardrail(guardrail, here, plan.share(stage), alpha / plan.stage_count)
        for guardrail in plan.guardrails
        if _is_fair(guardrail, plan, stage)
    ]
    goal = check_goal(plan, plan.goal, stages[plan.shadowed :], alpha) if plan.goal else None
    looked_at = [*checks, goal] if goal else checks
    move, reason = _rule(plan, stage, here, waited_s, looked_at, goal)
    return Judgement(move, reason, _evidence(plan, stage, here, waited_s, looked_at))


def _is_fair(guardrail: Guardrail, plan: Plan, stage: int) -> bool:
    """Whether the arms can be compared on it here: a shadow answers behind the champion's back, on whatever processor
    time is left, so the two are not timed alike. Where live stages follow, those compare latencies."""
    relative_latency = guardrail.quantile is not None and guardrail.limit is None
    return not relative_latency or plan.share(stage) > 0 or not plan.shares


def alpha_per_check(plan: Plan) -> float:
    """The part of `alpha_harm` that one guardrail, or the goal, may spend over the whole rollout."""
    return plan.alpha_harm / max(1, len(plan.guardrails) + (plan.goal is not None))


def _rule(
    plan: Plan, stage: int, here: StageEvidence, waited_s: float, checks: Sequence[Check], goal: Check | None
) -> tuple[Move, str]:
    broken = next((check for check in checks if check.broken), None)
    if broken:
        return Move.ROLLBACK, broken.sentence
    missing = _missing(plan, stage, here, waited_s)
    suspect = next((check for check in checks if check.suspect), None)
    missing = missing or (suspect.sentence if suspect else "")
    if not missing and stage < plan.stage_count - 1:
        return Move.ADVANCE, f"The {plan.stage_name(stage)} has the evidence it needs, and nothing is proven bad."
    if not missing and goal is None:
        return Move.PROMOTE, "Every stage had the evidence it needs, and no guardrail is proven broken."
    if not missing and goal is not None and goal.numbers["proven_good"]:
        return Move.PROMOTE, goal.sentence
    question = missing or (goal.sentence if goal else "")
    if waited_s > plan.max_stage_s:
        spent = f"Inconclusive after {format_duration(plan.max_stage_s)} of {plan.stage_name(stage)}"
        return Move.ROLLBACK, f"{spent}. {question}"
    return Move.HOLD, question


def _missing(plan: Plan, stage: int, here: StageEvidence, waited_s: float) -> str:
    """What the stage still lacks, as a sentence; empty when it has its minimum."""
    if not plan.share(stage):
        if waited_s < plan.shadow_s:
            return f"{format_duration(waited_s)} of the shadow's {format_duration(plan.shadow_s)} have passed."
        seen, need = here.candidate.requests.n, MIN_SHADOW_REQUESTS
        return f"The shadow has answered {seen:,} of {need:,} requests." if seen < need else ""
    need = plan.min_per_stage
    if plan.goal is None:
        seen = here.candidate.requests.n
        return f"The candidate has answered {seen:,} of {need:,} requests." if seen < need else ""
    seen = here.candidate.labelled
    return f"{seen:,} of {need:,} predictions of the candidate have their label." if seen < need else ""


def _evidence(plan: Plan, stage: int, here: StageEvidence, waited_s: float, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "stage": plan.stage_name(stage),
        "waited_s": round(waited_s, 3),
        "max_stage_s": plan.max_stage_s,
        "min_per_stage": plan.min_per_stage,
        "arms": {"champion": _arm_numbers(here.champion), "candidate": _arm_numbers(here.candidate)},
        "agreement": here.agreement.to_dict() if here.agreement.pairs else None,
        "checks": {check.name: {"broken": check.broken, "says": check.sentence, **check.numbers} for check in checks},
    }


def _arm_numbers(arm: ArmEvidence) -> dict[str, Any]:
    return {
        "requests": arm.requests.n,
        "errors": arm.requests.failures,
        "error_rate": arm.requests.rate,
        "latency_p50_ms": finite(arm.latency_ms.quantile(0.5)),
        "latency_p99_ms": finite(arm.latency_ms.quantile(0.99)),
        "labelled": arm.labelled,
        "units": arm.goal.clusters,
        "goal_mean": arm.goal.ratio if arm.goal.count else None,
    }
