"""A person sets a route while a candidate walks, or goes back: what they set stands, whatever the walk wanted."""

from dataclasses import replace

import pytest
from tests.rollout.town import CANDIDATE, CHAMPION, Behaviour, Split, Town, TrafficDesk

from tidewheel.base.errors import Conflict, NotFound
from tidewheel.rollout import Canary, Move, Rollouts, RolloutState, Shadow
from tidewheel.storage import Change
from tidewheel.storage.journal import acting, read_entries

EQUAL = {CHAMPION: Behaviour(), CANDIDATE: Behaviour()}
PLAN = Canary(shadow="1m", steps=(20, 50, 100), min_per_stage=100)
LIVE = replace(PLAN, shadow=None)


def splits(town: Town) -> list[dict[str, float]]:
    return [dict(route.weights) for route in town.traffic.history("surge")]


@pytest.mark.parametrize("plan", [PLAN, LIVE])
@pytest.mark.parametrize("version", [CHAMPION, CANDIDATE, "ver_third"])
def test_a_version_deployed_at_once_ends_the_rollout_and_stays(town: Town, plan: Canary, version: str) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, plan)
    with acting(actor="ann"):
        told = town.rollouts.set_route("surge", {version: 100.0}, reason="prices are wild")
    town.serve(50, {**EQUAL, "ver_third": Behaviour()})
    town.rollouts.tick()
    town.rollouts.tick()
    assert told.ended_rollout == rollout.id
    assert splits(town)[0] == {version: 100.0}
    assert town.aliases.champion == version
    ended = town.rollouts.get(rollout.id)
    assert (ended.state, ended.settled) == (RolloutState.ABORTED, True)
    assert ended.reason == "The route was set by hand: prices are wild."
    assert [(each.move, each.actor) for each in town.rollouts.decisions(rollout.id)] == [(Move.ABORT, "ann")]


def test_the_rollout_ends_in_the_very_change_that_sets_the_route(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, LIVE)
    town.rollouts.set_route("surge", {CANDIDATE: 100.0})
    with town.metadata.read() as connection:
        entries = read_entries(connection, newest_first=True, limit=4)
    told = [(entry.kind, entry.subject) for entry in reversed(entries)]
    assert told[1:] == [
        ("rollout.rollout.aborted", rollout.node),
        ("rollout.route.taken", "endpoint:surge"),
        ("town.split.changed", "endpoint:surge"),
    ]
    assert entries[0].cause == entries[1].id


def test_a_rollout_that_finds_a_route_that_it_did_not_set_ends_itself_and_says_whose_it_is(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, LIVE)
    town.traffic.set_by("bob", "surge", {CANDIDATE: 100.0})
    (decision,) = town.rollouts.tick()
    assert decision.reason == "bob set the route of 'surge' meanwhile: ver_new: 100 %."
    assert town.rollouts.get(rollout.id).state is RolloutState.ABORTED
    assert splits(town) == [{CANDIDATE: 100.0}, {CHAMPION: 80.0, CANDIDATE: 20.0}, {CHAMPION: 100.0}]


class Interrupted(TrafficDesk):
    """Somebody sets a route right after the rollouts have looked for one that is not theirs."""

    def __init__(self, town: Town) -> None:
        super().__init__(town.metadata)
        self._quiet = True

    def route(self, endpoint: str, change: Change | None = None) -> Split | None:
        found = super().route(endpoint, change)
        if self._quiet:
            self._quiet = False
            self.set_by("bob", endpoint, {"ver_third": 100.0})
        return found


def test_a_verdict_that_comes_after_a_hand_changes_nothing(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, LIVE)
    town.serve(1000, EQUAL)
    assert town.rollouts.outlook(rollout.id).move is Move.HOLD  # nothing of it is folded yet
    interrupted = Rollouts(town.metadata, town.log, Interrupted(town), town.aliases, town.clock)
    assert interrupted.tick() == []
    assert interrupted.outlook(rollout.id).move is Move.ADVANCE
    assert [decision.move for decision in interrupted.tick()] == [Move.ABORT]
    assert splits(town)[0] == {"ver_third": 100.0}


def test_a_rollout_does_not_begin_on_a_route_that_changes_under_it(town: Town) -> None:
    interrupted = Rollouts(town.metadata, town.log, Interrupted(town), town.aliases, town.clock)
    with pytest.raises(Conflict, match="just been changed"):
        interrupted.start("surge", CHAMPION, CANDIDATE, LIVE)
    assert splits(town)[0] == {"ver_third": 100.0}
    assert town.rollouts.ls("surge") == []


def test_aborting_leaves_a_route_alone_that_was_set_meanwhile(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, LIVE)
    town.traffic.set_by("bob", "surge", {"ver_third": 100.0})
    assert town.rollouts.abort(rollout.id).state is RolloutState.ABORTED
    assert splits(town)[0] == {"ver_third": 100.0}


def test_a_new_rollout_need_not_wait_for_one_whose_route_is_gone(town: Town) -> None:
    town.rollouts.start("surge", CHAMPION, CANDIDATE, LIVE)
    town.traffic.set_by("bob", "surge", {"ver_third": 100.0})
    assert town.rollouts.start("surge", None, CANDIDATE, LIVE).champion_version == "ver_third"


def test_going_back_undoes_a_deployment_at_once(town: Town) -> None:
    town.rollouts.set_route("surge", {"ver_third": 100.0})
    restored = town.rollouts.rollback("surge", "it was a mistake")
    assert (restored.champion_version, restored.before_version, restored.rollout_id) == (CHAMPION, "ver_third", None)
    assert splits(town)[0] == {CHAMPION: 100.0}
    assert town.aliases.champion == CHAMPION
    with pytest.raises(Conflict, match="no other champion"):
        town.rollouts.rollback("surge")


def test_going_back_twice_is_two_steps_back(town: Town) -> None:
    for version in ("ver_second", "ver_third"):
        town.rollouts.set_route("surge", {version: 100.0})
    assert town.rollouts.rollback("surge").champion_version == "ver_second"
    assert town.rollouts.rollback("surge").champion_version == CHAMPION


def test_going_back_from_a_version_deployed_over_a_rollout_gives_the_champion_of_before(town: Town) -> None:
    town.rollouts.start("surge", CHAMPION, CANDIDATE, LIVE)
    town.rollouts.set_route("surge", {"ver_third": 100.0})
    assert town.rollouts.rollback("surge").champion_version == CHAMPION


def test_going_back_after_a_promotion_by_hand_takes_the_hand_first(town: Town) -> None:
    rollout = town.rollouts.start("surge", CHAMPION, CANDIDATE, Shadow("2m"))
    town.walk(EQUAL, rollout.id, rounds=10)
    town.traffic.set_by("bob", "surge", {"ver_third": 100.0})
    assert town.rollouts.rollback("surge").champion_version == CANDIDATE
    assert town.rollouts.rollback("surge").rollout_id == rollout.id
    assert town.rollouts.get(rollout.id).state is RolloutState.ROLLED_BACK


def test_an_endpoint_that_only_ever_had_one_champion_has_none_to_go_back_to(town: Town) -> None:
    with pytest.raises(Conflict, match="no other champion"):
        town.rollouts.rollback("surge")


def test_nothing_is_made_of_a_version_that_cannot_answer(town: Town) -> None:
    town.traffic.refused.add("ver_nobody")
    with pytest.raises(NotFound, match="ver_nobody"):
        town.rollouts.set_route("elsewhere", {"ver_nobody": 100.0})
    assert town.traffic.history("elsewhere") == []
