"""Paired comparison: its error at one look, slices judged together, and t against tables."""

import numpy as np
import pytest

from tidewheel.stats import compare_slices, paired_difference
from tidewheel.stats.paired import t_quantile, t_survival


def test_at_one_look_each_bound_is_wrong_with_its_alpha() -> None:
    rng = np.random.default_rng(0)
    wrong = sum(paired_difference(rng.exponential(1, 200), np.ones(200), alpha=0.1).worse for _ in range(2000))
    assert 0.05 < wrong / 2000 < 0.12


def test_pairing_sees_what_the_losses_own_spread_would_hide() -> None:
    rng = np.random.default_rng(1)
    champion = rng.exponential(1, 500)
    assert paired_difference(champion - 0.02 + rng.normal(0, 0.05, 500), champion).better


def test_the_anytime_form_is_wider_and_holds_while_growing() -> None:
    wrong = 0
    for seed in range(150):
        d = np.random.default_rng(seed).normal(0, 1, 2000)
        zeros = np.zeros(2000)
        wrong += any(
            paired_difference(d[:n], zeros[:n], alpha=0.1, look="anytime", n_opt=1000).worse
            for n in range(100, 2001, 50)
        )
    assert wrong / 150 <= 0.1
    one, always = (paired_difference(d, zeros, look=look) for look in ("single", "anytime"))
    assert always.upper - always.estimate > one.upper - one.estimate


def test_few_rows_decide_nothing() -> None:
    found = paired_difference([0.0] * 29, [1.0] * 29)
    assert not found.better
    assert found.upper == np.inf


@pytest.mark.parametrize("correction", ["holm", "bonferroni"])
def test_the_chance_that_any_slice_is_wrongly_blamed_is_at_most_alpha(correction: str) -> None:
    rng = np.random.default_rng(2)
    slices = np.repeat(np.arange(12), 50)
    blamed = 0
    for _ in range(400):
        found = compare_slices(rng.normal(0, 1, 600), np.zeros(600), slices, alpha=0.1, correction=correction)  # type: ignore[arg-type]
        blamed += any(s.worse for s in found)
    assert blamed / 400 <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 400)


def test_a_worse_slice_is_named_and_a_small_one_is_said_to_be_unjudged() -> None:
    rng = np.random.default_rng(3)
    slices = np.array(["a"] * 300 + ["b"] * 300 + ["tiny"] * 5)
    loss = rng.normal(0, 0.2, 605) + np.where(slices == "a", 0.0, 0.2)
    found = {s.slice: s for s in compare_slices(loss, np.zeros(605), slices, tolerance=0.02)}
    assert (found["a"].worse, found["b"].worse, found["tiny"].worse) == (False, True, False)
    assert not found["tiny"].judged


@pytest.mark.parametrize(
    ("level", "df", "table"), [(0.95, 30, 1.697), (0.99, 30, 2.457), (0.999, 60, 3.232), (0.05, 40, -1.684)]
)
def test_t_agrees_with_tables(level: float, df: int, table: float) -> None:
    assert t_quantile(level, df) == pytest.approx(table, rel=2e-3)
    assert t_survival(t_quantile(level, df), df) == pytest.approx(1 - level, rel=1e-9)
