"""The stated error rates hold over whole rollouts that are looked at all the time: simulated, with real statistics.

A count of false decisions among N seeds is held against the bound that a rate of exactly alpha would exceed once in
10,000 times, so a wrong statistic fails and an unlucky seed does not.
"""

import math

import pytest
from tests.rollout.simulation import Version, quotes, walk

from tidewheel.rollout.plans import Canary, Plan
from tidewheel.rollout.states import Move

SEEDS = 80
PLAN = Canary(shadow=None, guardrails=(), goal="value", min_per_stage=100, alpha_harm=0.05, alpha_promote=0.05).plan()
GUARDED = Canary(shadow=None, steps=(5, 25, 100), min_per_stage=800, alpha_harm=0.05).plan()


def most(alpha: float, trials: int = SEEDS) -> int:
    """The count that Binomial(trials, alpha) exceeds with chance below 1e-4."""
    tail, count = 1.0, -1
    while tail > 1e-4:
        count += 1
        tail -= math.comb(trials, count) * alpha**count * (1 - alpha) ** (trials - count)
    return count


def endings(plan: Plan, champion: Version, candidate: Version, *, looks: int = 40, seeds: int = SEEDS) -> list[Move]:
    return [walk(plan, champion, candidate, seed=seed, looks=looks).move for seed in range(seeds)]


@pytest.mark.parametrize("growth_per_look", [0.0, 0.05], ids=["steady", "growing"])
def test_an_equal_candidate_is_seldom_rolled_back(growth_per_look: float) -> None:
    version = Version(quotes(1.0, growth_per_look=growth_per_look))
    assert endings(PLAN, version, version).count(Move.ROLLBACK) <= most(PLAN.alpha_harm)


@pytest.mark.parametrize("growth_per_look", [0.0, 0.05], ids=["steady", "growing"])
def test_a_candidate_at_the_margin_is_seldom_promoted(growth_per_look: float) -> None:
    champion = Version(quotes(1.0, growth_per_look=growth_per_look))
    candidate = Version(quotes(1.0 - PLAN.margin, growth_per_look=growth_per_look))
    assert endings(PLAN, champion, candidate).count(Move.PROMOTE) <= most(PLAN.alpha_promote)


def test_a_better_candidate_is_promoted() -> None:
    assert set(endings(PLAN, Version(), Version(quotes(1.08)), looks=120, seeds=20)) == {Move.PROMOTE}


def test_a_worse_candidate_is_rolled_back() -> None:
    assert set(endings(PLAN, Version(), Version(quotes(0.85)), looks=120, seeds=20)) == {Move.ROLLBACK}


def test_a_world_that_grows_richer_with_the_share_does_not_make_a_worse_candidate_look_better() -> None:
    # Later stages have more of the candidate's requests and richer quotes: pooled, it would look far better.
    champion, candidate = Version(quotes(1.0, growth_per_look=0.1)), Version(quotes(0.85, growth_per_look=0.1))
    assert Move.PROMOTE not in endings(PLAN, champion, candidate, looks=80, seeds=20)


def test_a_bad_hour_of_the_whole_service_is_not_blamed_on_the_candidate() -> None:
    outage = Version(fails=lambda look: 0.3 if 5 <= look % 20 < 8 else 0.001)
    assert endings(GUARDED, outage, outage, looks=40, seeds=8).count(Move.ROLLBACK) <= most(GUARDED.alpha_harm, 8)


def test_an_evening_of_slow_answers_is_not_blamed_on_the_candidate() -> None:
    evening = Version(latency_ms=lambda rng, n, look: rng.lognormal(2.0 + (look > 10), 0.7, n))
    assert endings(GUARDED, evening, evening, looks=40, seeds=8).count(Move.ROLLBACK) <= most(GUARDED.alpha_harm, 8)


def test_a_candidate_that_fails_now_and_then_is_not_promoted_before_that_is_proven() -> None:
    # Five failures in a hundred are soon suspected and later proven; 200 requests a stage would else be over before.
    plan = Canary(shadow=None, guardrails=("error_rate",)).plan()
    failing = Version(fails=lambda look: 0.05)
    moves = [walk(plan, Version(), failing, seed=seed, looks=300, per_look=100).move for seed in range(12)]
    assert moves.count(Move.ROLLBACK) >= 11
