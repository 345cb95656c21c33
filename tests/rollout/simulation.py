"""Whole rollouts on invented traffic, straight into the judge: no log, no store, so that hundreds fit in a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidewheel.rollout.evidence import ArmEvidence, StageEvidence
from tidewheel.rollout.judge import judge
from tidewheel.rollout.plans import Plan
from tidewheel.rollout.states import Move
from tidewheel.stats import RatioMoments

Values = Callable[[np.random.Generator, int, int], NDArray[np.float64]]
"""(generator, how many, number of the look) -> values of the goal."""


def quotes(mean: float, *, growth_per_look: float = 0.0) -> Values:
    """Half of the quotes come to nothing, the others to a skewed amount; the world may grow richer with time."""

    def draw(rng: np.random.Generator, n: int, look: int) -> NDArray[np.float64]:
        return (rng.random(n) < 0.5) * rng.lognormal(0.5, 0.6, n) * mean * (1 + growth_per_look * look)

    return draw


@dataclass
class Version:
    """How an arm acts: goal values, failure rate by look, latencies by look."""

    values: Values = field(default_factory=lambda: quotes(1.0))
    fails: Callable[[int], float] = lambda look: 0.002
    latency_ms: Callable[[np.random.Generator, int, int], NDArray[np.float64]] = lambda rng, n, look: rng.lognormal(
        1.0, 0.5, n
    )


@dataclass(frozen=True)
class Ending:
    move: Move
    stage: int
    requests: int
    reason: str


def walk(
    plan: Plan, champion: Version, candidate: Version, *, seed: int, looks: int, per_look: int = 400, dwell: int = 1
) -> Ending:
    """One rollout, looked at after every `per_look` requests; a stage lasts at least `dwell` looks."""
    rng = np.random.default_rng(seed)
    stages, entered = [StageEvidence()], 0
    for look in range(looks):
        share, here = plan.share(len(stages) - 1) / 100, stages[-1]
        taken = int(rng.binomial(per_look, share))
        _answer(rng, here.champion, champion, per_look - taken, look)
        _answer(rng, here.candidate, candidate, taken, look)
        if look - entered < dwell - 1:
            continue
        found = judge(plan, len(stages) - 1, stages, 0.0)
        if found.move is Move.ADVANCE:
            stages.append(StageEvidence())
            entered = look + 1
        elif found.move is not Move.HOLD:
            return Ending(found.move, len(stages) - 1, (look + 1) * per_look, found.reason)
    return Ending(Move.HOLD, len(stages) - 1, looks * per_look, "")


def _answer(rng: np.random.Generator, arm: ArmEvidence, version: Version, n: int, look: int) -> None:
    statuses = np.where(rng.random(n) < version.fails(look), 500, 200)
    arm.add_requests(statuses.tolist(), version.latency_ms(rng, n, look).tolist())
    arm.goal = arm.goal.merge(RatioMoments.of(version.values(rng, n, look), np.ones(n)))
    arm.labelled += n
