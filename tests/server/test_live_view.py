"""The live page of a real platform says how it stands, at every step of the loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.server.install import begin_turn, declare_loop, register

from tidewheel.app import Platform
from tidewheel.loop import TurnState
from tidewheel.rollout import Canary
from tidewheel.server.pages.live import LiveViews
from tidewheel.server.pages.render import page
from tidewheel.server.pages.standing import STEPS


def test_a_new_install_shows_an_empty_page(platform: Platform) -> None:
    view = LiveViews(platform).view(None)
    assert (view.loop, view.traffic, view.contest, view.timeline) == (None, None, None, ())
    assert "No loop yet" in page(view)


def test_a_loop_without_a_champion_waits_for_its_first_model(platform: Platform) -> None:
    declare_loop(platform)
    view = LiveViews(platform).view(None)
    assert view.loop is not None
    assert view.loop.sentence == "There is no champion yet; the first model is on its way."
    assert [step.state for step in view.loop.steps] == ["now", "ahead", "ahead", "ahead", "ahead"]
    assert "No version answers surge yet" in page(view)


def test_a_paused_loop_whose_endpoint_was_deleted_is_still_shown(platform: Platform) -> None:
    declare_loop(platform)
    platform.loop.pause("surge")
    platform.serving.delete_endpoint("surge")
    view = LiveViews(platform).view("surge")
    assert view.loop is not None
    assert (view.loop.paused, view.traffic) == (True, None)
    assert "paused" in page(view)


@pytest.mark.parametrize("state", [TurnState.GATHERING, TurnState.TRAINING, TurnState.JUDGING])
def test_a_turn_says_what_it_does_and_why(platform: Platform, tmp_path: Path, state: TurnState) -> None:
    version = register(platform, tmp_path / "v1")
    declare_loop(platform, champion=version.id)
    begin_turn(platform, state, candidate=version.id)
    view = LiveViews(platform).view("surge")
    assert view.loop is not None
    assert [step.state for step in view.loop.steps].index("now") == list(STEPS).index(state)
    reason = "compare version 1" if state is TurnState.JUDGING else "because log loss rose from 0.48 to 0.61."
    assert reason in view.loop.sentence


def test_a_rollout_shows_its_arms_its_verdict_and_its_story(platform: Platform, tmp_path: Path) -> None:
    old, new = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
    declare_loop(platform, champion=old.id)
    platform.serving.set_route("surge", {old.id: 100.0})
    platform.rollout.start("surge", old.id, new.id, Canary(shadow=None, steps=(25, 100), goal="value"))
    view = LiveViews(platform).view(None)
    assert view.traffic is not None
    assert [(arm.label, arm.role, arm.percent) for arm in view.traffic.arms] == [
        ("version 1", "champion", 75.0),
        ("version 2", "candidate", 25.0),
    ]
    assert view.contest is not None
    assert (view.contest.running, view.contest.goal, view.contest.estimate) == (True, "value", None)
    assert view.timeline[0].title.startswith("Version 2 begins its rollout")
    html = page(view)
    assert "25\N{NO-BREAK SPACE}%" in html
    assert new.id not in view.timeline[0].title


def test_a_rollout_that_was_stopped_stays_on_the_page_with_its_reason(platform: Platform, tmp_path: Path) -> None:
    old, new = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
    declare_loop(platform, champion=old.id)
    platform.serving.set_route("surge", {old.id: 100.0})
    started = platform.rollout.start("surge", old.id, new.id, Canary())
    platform.rollout.abort(started.id, "It smells.")
    view = LiveViews(platform).view(None)
    assert view.contest is not None
    assert (view.contest.running, view.contest.verdict) == (False, "It smells.")
    assert view.timeline[0].outcome == "bad"
    assert any("It smells." in event.title for event in view.timeline)


def test_the_recorder_samples_without_traffic_and_with_a_rollout(platform: Platform, tmp_path: Path) -> None:
    old, new = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
    declare_loop(platform, champion=old.id)
    platform.serving.set_route("surge", {old.id: 100.0})
    platform.rollout.start("surge", old.id, new.id, Canary(goal="value"))
    views = LiveViews(platform)
    views.recorder.sample()
    assert views.recorder.traffic("surge") == []
    assert page(views.view(None))


def test_a_loop_is_chosen_by_its_name(platform: Platform) -> None:
    declare_loop(platform, "surge")
    declare_loop(platform, "wait")
    views = LiveViews(platform)
    assert [views.view(name).loop.name for name in ("wait", "surge", "none")] == ["wait", "surge", "surge"]  # type: ignore[union-attr]
