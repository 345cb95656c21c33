"""What every rollout must obey: the table of its states, walked exhaustively, and the judge, on whatever evidence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from tidewheel.base.errors import Conflict
from tidewheel.rollout import AB, ENDED, RUNNING, TRANSITIONS, Canary, Move, Plan, RolloutState, Shadow
from tidewheel.rollout.evidence import ArmEvidence, StageEvidence
from tidewheel.rollout.judge import judge
from tidewheel.rollout.states import next_state
from tidewheel.stats import RateCounts, RatioMoments

PLANS = {
    "canary": Canary(goal="value").plan(),
    "canary without shadow": Canary(shadow=None, goal="-cost").plan(),
    "canary without goal": Canary(guardrails=("error_rate<2%", "latency_p95<50ms")).plan(),
    "shadow": Shadow("1h").plan(),
    "ab": AB("value").plan(),
}


@pytest.mark.parametrize("state", RolloutState)
@pytest.mark.parametrize("move", Move)
def test_a_move_leads_where_the_table_says_or_is_refused(state: RolloutState, move: Move) -> None:
    if (state, move) in TRANSITIONS:
        assert next_state(state, move) is TRANSITIONS[state, move]
    else:
        with pytest.raises(Conflict, match=str(state)):
            next_state(state, move)


def test_every_state_runs_or_has_ended() -> None:
    assert set(RolloutState) == RUNNING | ENDED
    assert not RUNNING & ENDED


def test_every_state_is_reached_from_a_start() -> None:
    reached = {RolloutState.SHADOW, RolloutState.CANARY}
    while more := {to for (start, _), to in TRANSITIONS.items() if start in reached} - reached:
        reached |= more
    assert reached == set(RolloutState)


def test_every_running_state_can_end_each_way() -> None:
    for state in RUNNING:
        ends = {TRANSITIONS[state, move] for move in Move if (state, move) in TRANSITIONS} & ENDED
        assert ends == ENDED


def test_nothing_runs_again_once_it_has_ended() -> None:
    assert not {to for (start, _), to in TRANSITIONS.items() if start in ENDED} & RUNNING


counts = st.integers(0, 3000)


@st.composite
def arms(draw: st.DrawFn) -> ArmEvidence:
    n = draw(counts)
    failures = draw(st.integers(0, n))
    values = draw(st.lists(st.floats(-50, 50), max_size=30)) * draw(st.sampled_from([1, 20]))
    arm = ArmEvidence(RateCounts(n, failures), goal=RatioMoments.of(values, [1.0] * len(values)), labelled=len(values))
    arm.latency_ms.add(draw(st.lists(st.floats(0.01, 1000), max_size=20)) * draw(st.sampled_from([1, 40])))
    return arm


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@settings(max_examples=25, deadline=None)
@given(data=st.data(), waited_s=st.floats(0, 1e7))
def test_the_judge_makes_only_moves_that_the_table_allows_and_says_why_in_json(
    plan: Plan, data: st.DataObject, waited_s: float
) -> None:
    stage = data.draw(st.integers(0, plan.stage_count - 1))
    stages = [StageEvidence(data.draw(arms()), data.draw(arms())) for _ in range(stage + 1)]
    found = judge(plan, stage, stages, waited_s)
    state = RolloutState.CANARY if plan.share(stage) else RolloutState.SHADOW
    to_state = next_state(state, found.move)
    assert (found.move is Move.ADVANCE) <= (stage < plan.stage_count - 1)
    assert (to_state is RolloutState.PROMOTED) <= (stage == plan.stage_count - 1)
    assert found.reason
    json.dumps(found.evidence, allow_nan=False)
    restored = [StageEvidence.from_dict(json.loads(json.dumps(each.to_dict()))) for each in stages]
    assert judge(plan, stage, restored, waited_s) == found


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_without_evidence_the_judge_holds_and_at_last_gives_up(plan: Plan) -> None:
    assert judge(plan, 0, [StageEvidence()], 0.0).move is Move.HOLD
    assert judge(plan, 0, [StageEvidence()], plan.max_stage_s + 1).move is Move.ROLLBACK


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_candidate_that_always_fails_is_rolled_back_in_every_stage(plan: Plan) -> None:
    for stage in range(plan.stage_count):
        stages = [StageEvidence() for _ in range(stage + 1)]
        stages[stage].champion.requests = RateCounts(1000, 0)
        stages[stage].candidate.requests = RateCounts(25, 25)
        assert judge(plan, stage, stages, 0.0).move is Move.ROLLBACK
