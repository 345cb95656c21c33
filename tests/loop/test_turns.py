"""Turns that do not go as wished: they end, with the reason, and the loop goes on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.loop.town import START, Town

from tidewheel.base.errors import Unavailable
from tidewheel.loop import TurnState
from tidewheel.pipelines import RunState


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.platform.close()


@pytest.mark.parametrize("result", [None, "a sentence"])
def test_a_pipeline_that_returns_no_version_ends_the_turn(town: Town, result: str | None) -> None:
    town.open_for_business()
    turn = town.begin(result)
    assert turn.state is TurnState.FAILED
    assert "not a model version" in turn.outcome


def test_a_pipeline_that_returns_the_champion_ends_the_turn_also_where_there_are_no_gates(town: Town) -> None:
    town.write(gates="")
    champion = town.open_for_business()
    town.begin(champion.id)
    town.tick()
    assert town.turn.state is TurnState.REJECTED
    assert "the champion already" in town.turn.outcome


def test_a_gate_of_the_project_that_raises_refuses(town: Town) -> None:
    town.write(gates='type("Mine", (), {"name": "mine", "judge": lambda self, case: case.nothing})()')
    town.open_for_business()
    town.begin(town.version(2.0).id)
    town.tick()
    assert town.turn.state is TurnState.REJECTED
    assert "mine said no: it could not judge" in town.turn.outcome


def test_a_store_that_does_not_answer_says_nothing_about_the_candidate(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.open_for_business()
    town.begin(town.version(2.0).id)

    def gone(version_id: str, folder: Path) -> None:
        raise Unavailable("The blobs did not answer.")

    monkeypatch.setattr(town.platform.registry, "fetch", gone)
    town.tick()
    assert town.turn.state is TurnState.JUDGING


def test_a_turn_that_failed_leaves_its_alert_open_and_is_tried_again_with_the_same_change_point(town: Town) -> None:
    champion = town.open_for_business()
    changed_at = START + timedelta(hours=1)
    alert = town.alert(champion, changed_at)
    town.tick(2)
    town.end_training(None, RunState.FAILED)
    town.tick(3)
    assert [turn.state for turn in town.platform.loop.history("surge")] == [TurnState.FAILED]
    town.rest()
    town.tick()
    assert (town.turn.state, town.turn.alerts, town.turn.change_at) == (TurnState.GATHERING, (alert.id,), changed_at)


def test_an_alert_is_resolved_also_if_the_process_that_ended_its_turn_died_at_once(town: Town) -> None:
    champion = town.open_for_business()
    town.alert(champion)
    town.tick(2)
    town.end_training(town.version(0.1).id)
    town.tick(2)  # judged and refused; nothing has been resolved yet
    assert (town.turn.state, town.alert_states()) == (TurnState.REJECTED, ["open"])
    town.reopen()
    town.tick()
    assert town.alert_states() == ["resolved"]
    assert len(town.platform.loop.history("surge")) == 1


def test_the_gates_get_no_row_that_the_champion_was_trained_on(town: Town) -> None:
    champion = town.open_for_business()  # trained on all rows before START
    town.platform.loop.trigger("surge")
    town.tick()
    newest = town.platform.registry.reference(champion.id).column("at").to_numpy().max()
    assert town.turn.holdout_from is not None
    assert town.turn.holdout_from > newest.astype("datetime64[us]").item().replace(tzinfo=START.tzinfo)


def test_a_champion_trained_on_everything_is_challenged_once_there_are_rows_it_has_not_seen(town: Town) -> None:
    town.open_for_business()
    town.deploy(town.version(1.0))
    town.tick()
    town.platform.loop.trigger("surge")
    town.tick(2)
    assert town.turn.state is TurnState.GATHERING
    town.morning()
    town.tick()
    assert town.turn.state is TurnState.TRAINING


def test_a_turn_that_gathers_rows_takes_up_the_change_point_of_an_alert_raised_meanwhile(town: Town) -> None:
    town.open_for_business()
    champion = town.version(1.0)
    town.deploy(champion)  # it has seen every row, so a turn has to gather
    town.tick()
    town.platform.loop.trigger("surge")
    town.tick()
    assert (town.turn.state, town.turn.change_at) == (TurnState.GATHERING, None)
    changed_at = town.clock.now() + timedelta(minutes=30)
    alert = town.alert(champion, changed_at)
    town.morning()
    town.tick()
    assert (town.turn.state, town.turn.alerts, town.turn.change_at) == (TurnState.TRAINING, (alert.id,), changed_at)


def test_a_later_training_goes_no_further_back_than_the_last_change(town: Town) -> None:
    town.write(gates="")
    champion = town.open_for_business()
    changed_at = START + timedelta(hours=1)
    town.alert(champion, changed_at)
    town.tick(2)
    candidate = town.version(2.0)
    town.end_training(candidate.id)
    town.tick(2)
    assert town.turn.state is TurnState.ROLLING_OUT
    begun = town.platform.rollout.ls("surge")[0]
    promote(town, begun.id)
    town.tick(2)
    assert town.turn.state is TurnState.PROMOTED
    town.write(gates="", retrain='tw.max_age("1h")')
    town.reopen()
    town.platform.loop.declare(town.project)
    town.morning()
    town.tick()
    assert (town.turn.state, town.turn.change_at) == (TurnState.GATHERING, changed_at)


def promote(town: Town, rollout_id: str) -> None:
    """End a rollout as its judge would."""
    from tidewheel.rollout import Judgement, Move
    from tidewheel.rollout.walk import make_move

    town.clock.advance_to(town.clock.now() + timedelta(hours=1))
    with town.platform.metadata.change(actor="rollout") as change:
        judgement = Judgement(Move.PROMOTE, "It is better.", {})
        rooms = town.platform.serving, town.platform.registry
        make_move(change, *rooms, town.platform.rollout.get(rollout_id), judgement, town.clock)
    town.platform.rollout.tick()
