"""People act beside the loop: they deploy, cancel, roll out by hand. The loop takes the world as it then is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loop.town import Town

import tidewheel as tw
from tidewheel.base.errors import Conflict
from tidewheel.loop import TurnState, turn as turn_module
from tidewheel.pipelines import RunState
from tidewheel.rollout import RolloutState


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.platform.close()


def test_a_candidate_meets_the_champion_of_the_day_not_the_one_its_turn_began_with(town: Town) -> None:
    town.open_for_business()
    newer, candidate = town.version(0.5), town.version(2.0)
    town.morning()
    town.platform.loop.trigger("surge")
    town.tick()
    town.deploy(newer)
    town.end_training(candidate.id)
    town.tick(2)
    rollout = town.platform.rollout.ls("surge")[0]
    assert (rollout.champion_version, rollout.candidate_version) == (newer.id, candidate.id)
    assert set(town.platform.serving.route("surge").weights) == {newer.id, candidate.id}
    assert town.turn.champion == newer.id


def test_a_champion_deployed_while_the_gates_looked_is_judged_against_before_anything_moves(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.open_for_business()
    best, candidate = town.version(2.0), town.version(1.5)
    assert town.begin(candidate.id).state is TurnState.JUDGING
    looked = turn_module.judge

    def look_while_someone_deploys(*case: object) -> object:
        verdicts = looked(*case)
        town.deploy(best)
        return verdicts

    monkeypatch.setattr(turn_module, "judge", look_while_someone_deploys)
    town.tick()
    monkeypatch.setattr(turn_module, "judge", looked)
    assert town.turn.state is TurnState.JUDGING
    assert town.platform.serving.route("surge").weights == {best.id: 100.0}
    town.tick()
    assert town.turn.state is TurnState.REJECTED
    assert town.platform.rollout.ls("surge") == []


def test_a_turn_cancelled_while_the_gates_looked_stays_cancelled(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.open_for_business()
    town.begin(town.version(2.0).id)
    looked = turn_module.judge

    def look_while_someone_cancels(*case: object) -> object:
        town.platform.loop.cancel("surge")
        return looked(*case)

    monkeypatch.setattr(turn_module, "judge", look_while_someone_cancels)
    town.tick(2)
    assert town.turn.state is TurnState.CANCELLED
    assert town.platform.rollout.ls("surge") == []


def test_a_cancelled_turn_ends_its_training_and_is_done_with_its_alerts(town: Town) -> None:
    champion = town.open_for_business()
    town.alert(champion)
    town.tick(2)
    assert town.turn.state is TurnState.TRAINING
    town.platform.loop.cancel("surge")
    assert town.turn.pipeline_run_id is not None
    assert town.platform.pipelines.run(town.turn.pipeline_run_id).state is RunState.CANCELLED
    town.tick()
    assert town.alert_states() == ["resolved"]
    town.rest()
    town.tick(2)
    assert len(town.platform.loop.history("surge")) == 1


def test_an_ended_turn_cannot_be_moved_by_one_who_saw_it_earlier(town: Town) -> None:
    town.open_for_business()
    seen = town.begin(town.version(2.0).id)
    town.platform.loop.cancel("surge")
    with pytest.raises(Conflict, match="cancelled by now"):
        town.platform.loop._driver.cancel(seen, "again")


def test_the_gates_look_once_the_rollout_of_someone_else_has_ended(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    champion = town.open_for_business()
    town.begin(town.version(2.0).id)
    other = town.platform.rollout.start("surge", champion.id, town.version(3.0).id, tw.Canary(shadow=None))
    looks: list[object] = []
    looked = turn_module.judge
    monkeypatch.setattr(turn_module, "judge", lambda *case: looks.append(case) or looked(*case))
    town.tick(3)
    assert town.turn.state is TurnState.JUDGING
    assert not looks
    town.morning()
    town.platform.rollout.abort(other.id)
    town.tick()
    assert town.turn.state is TurnState.ROLLING_OUT
    assert len(looks) == 1


def test_a_turn_whose_controller_died_after_it_began_a_rollout_finds_that_one_again_though_it_has_ended(
    town: Town,
) -> None:
    champion = town.open_for_business()
    candidate = town.version(2.0)
    town.begin(candidate.id)
    begun = town.platform.rollout.start("surge", champion.id, candidate.id, tw.Canary(shadow=None))
    town.morning()
    town.platform.rollout.abort(begun.id)
    town.tick(2)
    assert town.turn.state is TurnState.ROLLED_BACK
    assert town.turn.rollout_id == begun.id
    assert [each.state for each in town.platform.rollout.ls("surge")] == [RolloutState.ABORTED]
