"""Champion against candidate, from the newest rollout's evidence: of now while it runs, of its last decision after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidewheel.server.pages.figures import opening
from tidewheel.server.pages.goal import GoalView, goal_of
from tidewheel.server.pages.view import ArmFigures, ArmRole, Chart, ContestView, Curve, GuardrailView

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidewheel.app import Platform
    from tidewheel.rollout import Rollout
    from tidewheel.server.pages.recorder import Recorder

_WIDEST = 6.0


def contest_view(platform: Platform, rollout: Rollout, recorder: Recorder, name: Callable[[str], str]) -> ContestView:
    """The newest rollout of an endpoint, running or ended."""
    evidence, verdict = _latest(platform, rollout)
    goal = goal_of(evidence)
    history = recorder.goal(rollout.id)
    if goal is not None and (not history or history[-1].units < goal.units):
        history = [*history, goal]
    return ContestView(
        rollout_id=rollout.id,
        title=_title(rollout, name),
        goal=rollout.plan.goal.key if rollout.plan.goal else "",
        running=rollout.running,
        verdict=verdict,
        estimate=goal.gain if goal else None,
        low=goal.low if goal else None,
        high=goal.high if goal else None,
        confidence=goal.confidence if goal else 0.0,
        margin=goal.margin if goal else rollout.plan.margin,
        arms=(
            _arm("champion", name(rollout.champion_version), evidence, goal.champion_mean if goal else None),
            _arm("candidate", name(rollout.candidate_version), evidence, goal.candidate_mean if goal else None),
        ),
        guardrails=tuple(
            GuardrailView(name=key, broken=numbers["broken"], sentence=numbers["says"])
            for key, numbers in evidence.get("checks", {}).items()
            if not key.startswith("goal:")
        ),
        chart=_chart(history),
    )


def _title(rollout: Rollout, name: Callable[[str], str]) -> str:
    stage = rollout.plan.stage_name(rollout.stage) if rollout.running else rollout.state.replace("_", " ")
    return opening(f"{name(rollout.candidate_version)} against {name(rollout.champion_version)}, {stage}")


def _latest(platform: Platform, rollout: Rollout) -> tuple[dict[str, Any], str]:
    if rollout.running:
        outlook = platform.rollout.outlook(rollout.id)
        return outlook.evidence, outlook.reason
    decisions = platform.rollout.decisions(rollout.id)
    return (decisions[-1].evidence if decisions else {}), rollout.reason


def _arm(role: ArmRole, label: str, evidence: dict[str, Any], mean: float | None) -> ArmFigures:
    """An arm in the present stage; the mean of the goal is over all stages."""
    numbers: dict[str, Any] = evidence.get("arms", {}).get(role, {})
    return ArmFigures(
        label=label,
        role=role,
        mean=mean,
        labelled=numbers.get("labelled", 0),
        requests=numbers.get("requests", 0),
        errors=numbers.get("errors", 0),
        latency_p50_ms=numbers.get("latency_p50_ms"),
        latency_p99_ms=numbers.get("latency_p99_ms"),
    )


def _chart(history: list[GoalView]) -> Chart | None:
    """The difference over the evidence gathered; the widest beginning is left out, since it would flatten the rest."""
    known = [point for point in history if point.low is not None and point.high is not None]
    if not known:
        return None
    now = _width(known[-1])
    shown = [point for point in known if _width(point) <= _WIDEST * now]
    margin = known[-1].margin
    return Chart(
        id="contest",
        x=tuple(float(point.units) for point in shown),
        curves=(
            Curve(
                "gain",
                tuple(point.gain for point in shown),
                tuple(point.low for point in shown),
                tuple(point.high for point in shown),
            ),
        ),
        x_is_time=False,
        unit="part",
        rule=-margin,
        rule_label="the loss that still counts as not worse",
    )


def _width(point: GoalView) -> float:
    return (point.high or 0.0) - (point.low or 0.0)
