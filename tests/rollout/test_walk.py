"""A candidate walks from shadow to champion, or back: the whole room on real stores and a real prediction log."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.rollout.town import CANDIDATE, CHAMPION, Behaviour, Town

from tidewheel.base.errors import Conflict, InvalidInput, NotFound, TidewheelError
from tidewheel.rollout import AB, Canary, Move, RolloutState, Shadow
from tidewheel.storage.journal import read_entries, verify_chain

EQUAL = {CHAMPION: Behaviour(), CANDIDATE: Behaviour()}
PLAN = Canary(shadow="1m", steps=(20, 50, 100), goal="accepted", min_per_stage=100, margin=0.3)


def accepting(rate: float) -> Behaviour:
    return Behaviour(values=lambda rng: {"accepted": float(rng.random() < rate)})


def test_a_good_candidate_walks_every_stage_and_becomes_champion(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN)
    assert rollout.state is RolloutState.SHADOW
    assert town.traffic.route("surge").shadows == [CANDIDATE]
    town.walk({CHAMPION: accepting(0.5), CANDIDATE: accepting(0.6)}, rollout.id, rounds=60)
    done = town.rollouts.get(rollout.id)
    assert done.state is RolloutState.PROMOTED
    assert done.settled
    assert town.aliases.champion == CANDIDATE
    assert town.traffic.route("surge").weights == {CANDIDATE: 100.0}
    splits = [{v: w for v, w in past.weights.items() if v == CANDIDATE} for past in town.traffic.history("surge")]
    assert splits == [{CANDIDATE: 100.0}, {CANDIDATE: 50.0}, {CANDIDATE: 20.0}, {}, {}]
    assert [d.move for d in town.rollouts.decisions(rollout.id)] == [Move.ADVANCE, Move.ADVANCE, Move.PROMOTE]


def test_a_worse_candidate_is_rolled_back_by_the_goal(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN)
    town.walk({CHAMPION: accepting(0.6), CANDIDATE: accepting(0.3)}, rollout.id, rounds=60)
    done = town.rollouts.get(rollout.id)
    assert done.state is RolloutState.ROLLED_BACK
    assert "proven worse" in done.reason
    assert town.traffic.route("surge").weights == {CHAMPION: 100.0}
    assert town.aliases.champion == CHAMPION


def test_a_burst_of_errors_is_rolled_back_within_few_requests(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, replace(PLAN, shadow=None, steps=(5, 100)))
    failing = {CHAMPION: Behaviour(), CANDIDATE: Behaviour(fails=0.8)}
    town.walk(failing, rollout.id, rounds=200, requests=10)
    (decision,) = town.rollouts.decisions(rollout.id)
    assert decision.move is Move.ROLLBACK
    assert decision.evidence["arms"]["candidate"]["requests"] <= 20
    assert "error_rate" in decision.evidence["checks"]


def test_errors_in_the_shadow_end_it_before_a_caller_meets_the_candidate(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN)
    town.walk({CHAMPION: Behaviour(), CANDIDATE: Behaviour(fails=0.5)}, rollout.id, rounds=5)
    done = town.rollouts.get(rollout.id)
    assert done.state is RolloutState.ROLLED_BACK
    assert [stage.name for stage in done.stages] == ["shadow"]


def test_a_slow_candidate_is_rolled_back(town: Town) -> None:
    slow = Behaviour(latency_ms=lambda rng: float(rng.lognormal(3.0, 0.4)))
    rollout = town.rollouts.start(
        "surge", CHAMPION, CANDIDATE, replace(PLAN, shadow=None, steps=(50, 100), min_per_stage=800)
    )
    town.walk({CHAMPION: Behaviour(), CANDIDATE: slow}, rollout.id, rounds=30)
    done = town.rollouts.get(rollout.id)
    assert done.state is RolloutState.ROLLED_BACK
    assert "p99 latency" in done.reason


def test_a_shadow_is_not_compared_by_latency_since_it_answers_on_time_left_over(town: Town) -> None:
    slow = Behaviour(latency_ms=lambda rng: float(rng.lognormal(3.0, 0.4)))
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, replace(PLAN, shadow="1h"))
    town.walk({CHAMPION: Behaviour(), CANDIDATE: slow}, rollout.id, rounds=30)
    assert town.rollouts.get(rollout.id).running


def test_a_walk_without_a_verdict_ends_inconclusive(town: Town) -> None:
    plan = Canary(shadow=None, steps=(50, 100), goal="accepted", min_per_stage=50, max_stage="10m", margin=0.001)
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, plan)
    town.walk(EQUAL, rollout.id, rounds=20)
    done = town.rollouts.get(rollout.id)
    assert done.state is RolloutState.ROLLED_BACK
    assert done.reason.startswith("Inconclusive after 10m of canary 50 %")


def test_a_goal_that_should_fall_is_judged_the_other_way_round(town: Town) -> None:
    def costing(mean: float) -> Behaviour:
        return Behaviour(values=lambda rng: {"cost": float(rng.normal(mean, 1.0))})

    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, replace(PLAN, goal="-cost"))
    town.walk({CHAMPION: costing(5.0), CANDIDATE: costing(4.0)}, rollout.id, rounds=60)
    assert town.rollouts.get(rollout.id).state is RolloutState.PROMOTED


def test_a_shadow_alone_promotes_when_nothing_broke(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, Shadow("2m"))
    town.walk(EQUAL, rollout.id, rounds=10)
    assert town.rollouts.get(rollout.id).state is RolloutState.PROMOTED


def test_an_ab_test_promotes_only_what_is_better(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, AB("accepted", min_per_stage=50))
    town.walk({CHAMPION: accepting(0.4), CANDIDATE: accepting(0.6)}, rollout.id, rounds=60)
    assert town.rollouts.get(rollout.id).state is RolloutState.PROMOTED
    assert "proven better" in town.rollouts.get(rollout.id).reason


def test_agreement_in_the_shadow_is_reported(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN)
    for number in range(20):
        town.predict(id=f"r{number}", version=CHAMPION, outputs=np.array([1.0]).tobytes())
        answer = np.array([1.0 if number < 15 else 1.5]).tobytes()
        town.predict(id=f"r{number}", version=CANDIDATE, arm="shadow", outputs=answer)
    town.rollouts.tick()
    agreement = town.rollouts.outlook(rollout.id).evidence["agreement"]
    assert agreement == {"pairs": 20, "agreeing": 15, "total_difference": pytest.approx(2.5)}


def test_one_endpoint_has_one_running_rollout(town: Town) -> None:
    first = town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN)
    with pytest.raises(Conflict, match=first.id):
        town.rollouts.start("surge", None, "ver_third", PLAN)
    assert town.rollouts.running("surge").id == first.id
    town.rollouts.abort(first.id)
    assert town.rollouts.running("surge") is None
    assert town.rollouts.start("surge", None, "ver_third", PLAN).running


def test_the_champion_cannot_be_its_own_candidate(town: Town) -> None:
    with pytest.raises(InvalidInput, match="champion"):
        town.rollouts.start("surge", None, CHAMPION, PLAN)


def test_an_aborted_rollout_gives_the_traffic_back(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, replace(PLAN, shadow=None))
    aborted = town.rollouts.abort(rollout.id, "a holiday")
    assert aborted.state is RolloutState.ABORTED
    assert aborted.reason == "a holiday"
    assert town.traffic.route("surge").weights == {CHAMPION: 100.0}
    with pytest.raises(Conflict):
        town.rollouts.abort(rollout.id)


def test_a_promoted_candidate_can_be_rolled_back_by_hand(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, Shadow("2m"))
    town.walk(EQUAL, rollout.id, rounds=10)
    assert town.aliases.champion == CANDIDATE
    restored = town.rollouts.rollback("surge")
    assert (restored.champion_version, restored.before_version) == (CHAMPION, CANDIDATE)
    assert town.rollouts.get(rollout.id).state is RolloutState.ROLLED_BACK
    assert town.aliases.champion == CHAMPION
    assert town.traffic.route("surge").weights == {CHAMPION: 100.0}
    with pytest.raises(Conflict):
        town.rollouts.rollback("surge")


def test_evidence_begins_when_all_workers_route_by_the_stage(town: Town) -> None:
    town.traffic.lagging = True
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, replace(PLAN, shadow=None))
    town.serve(200, EQUAL)
    town.rollouts.tick()
    assert town.rollouts.outlook(rollout.id).evidence["arms"]["champion"]["requests"] == 0
    town.traffic.lagging = False
    town.rollouts.tick()
    town.serve(200, EQUAL)
    town.rollouts.tick()
    arms = town.rollouts.outlook(rollout.id).evidence["arms"]
    assert arms["champion"]["requests"] + arms["candidate"]["requests"] == 200


def test_every_decision_is_journaled_with_its_evidence_and_its_cause(town: Town) -> None:
    with town.metadata.change() as change:
        cause = change.emit("loop.turn.asked", "loop:surge")
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN, cause=cause)
    town.walk({CHAMPION: accepting(0.5), CANDIDATE: accepting(0.6)}, rollout.id, rounds=60)
    with town.metadata.read() as connection:
        entries = read_entries(connection, kinds=["rollout."])
        assert verify_chain(connection)[1] is None
    made = [entry for entry in entries if entry.kind == "rollout.decision.made"]
    assert [entry.data["move"] for entry in made] == ["advance", "advance", "promote"]
    assert all(set(entry.inputs) == {rollout.node, f"version:{CHAMPION}", f"version:{CANDIDATE}"} for entry in made)
    by_id = {entry.id: entry for entry in entries}
    entry, chain = made[-1], []
    while entry.cause in by_id:
        entry = by_id[entry.cause]
        chain.append(entry.kind)
    assert chain == ["rollout.decision.made", "rollout.decision.made", "rollout.rollout.started"]
    assert entry.cause == cause
    json.dumps([entry.data for entry in made], allow_nan=False)


@pytest.mark.parametrize(("flaw", "error"), [("refused", NotFound), ("misfits", InvalidInput)])
def test_a_rollout_of_a_candidate_that_cannot_answer_does_not_begin(
    town: Town, flaw: str, error: type[TidewheelError]
) -> None:
    getattr(town.traffic, flaw).add(CANDIDATE)
    with pytest.raises(error, match="ver_new"):
        town.rollouts.start("surge", CHAMPION, CANDIDATE, PLAN)
    (rollout,) = town.rollouts.ls("surge")
    assert rollout.state is RolloutState.ABORTED
    assert rollout.reason.startswith("It could not begin: ")
    assert len(town.traffic.history("surge")) == 1
