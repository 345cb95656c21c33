"""The goal that the page shows is the goal that the judge judged."""

from __future__ import annotations

import numpy as np
import pytest

from tidewheel.rollout import Canary
from tidewheel.rollout.evidence import ArmEvidence, StageEvidence
from tidewheel.rollout.judge import judge
from tidewheel.server.pages.goal import goal_of
from tidewheel.stats import RateCounts, RatioMoments


def evidence(champion: float, candidate: float, units: int, seed: int = 7) -> StageEvidence:
    draw = np.random.default_rng(seed)

    def arm(mean: float) -> ArmEvidence:
        goal = RatioMoments.of(draw.normal(mean, 1.0, units), np.ones(units))
        return ArmEvidence(requests=RateCounts(units, 0), goal=goal, labelled=units)

    return StageEvidence(arm(champion), arm(candidate))


@pytest.mark.parametrize(("champion", "candidate"), [(10.0, 11.0), (10.0, 9.0), (-10.0, -9.0)])
def test_the_interval_holds_the_truth_as_a_part_of_the_champions_mean(champion: float, candidate: float) -> None:
    plan = Canary(shadow=None, steps=(50, 100), goal="value").plan()
    found = goal_of(judge(plan, 0, [evidence(champion, candidate, 4000)], 1.0).evidence)
    assert found is not None
    truth = (candidate - champion) / abs(champion)
    assert found.low is not None
    assert found.high is not None
    assert found.low < truth < found.high
    assert found.gain == pytest.approx(truth, abs=0.02)
    assert (found.champion_mean, found.candidate_mean) == (
        pytest.approx(champion, abs=0.1),
        pytest.approx(candidate, abs=0.1),
    )
    assert found.units == 4000


def test_before_there_is_evidence_there_are_no_bounds() -> None:
    plan = Canary(shadow=None, steps=(50, 100), goal="value").plan()
    found = goal_of(judge(plan, 0, [evidence(10.0, 10.0, 20)], 1.0).evidence)
    assert found is not None
    assert (found.low, found.high) == (None, None)


def test_a_rollout_without_a_goal_has_none_to_show() -> None:
    plan = Canary(shadow=None, steps=(50, 100)).plan()
    assert goal_of(judge(plan, 0, [evidence(1.0, 1.0, 100)], 1.0).evidence) is None
