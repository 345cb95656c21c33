"""The demo's story is decided by the data: told for 30 markets, at the scale of `tidewheel demo --fast`."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest
from tests.journeys.rehearsal import Ending, rehearse

CALM = [(seed, False) for seed in range(1, 21)]
SHIFTED = [(seed, True) for seed in range(1, 11)]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def endings() -> dict[tuple[int, bool], Ending]:
    """Every market's story, told in two processes."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        told = list(processes.map(rehearse, *zip(*SHIFTED, *CALM, strict=True)))
    print("\nseed       alert promo.    gain  bad candidate                     took   alerts, since the shift")
    for ending in told:
        print(ending.line())
    return {(ending.seed, ending.shift): ending for ending in told}


def test_without_a_shift_no_alert_fires_and_nothing_is_retrained(endings: dict[tuple[int, bool], Ending]) -> None:
    """Each monitor states its own rate of false alarms (`tw.Bias`, `tw.DataDrift`); over 20 x 92 hours: none."""
    calm = [endings[key] for key in CALM]
    assert {ending.line(): ending.alerts for ending in calm if ending.alerts} == {}
    assert {ending.turns for ending in calm} == {1}  # the one that made the first champion


def test_after_the_shift_every_market_ends_in_a_promoted_model(endings: dict[tuple[int, bool], Ending]) -> None:
    assert {key: endings[key].outcomes for key in SHIFTED if not endings[key].promoted} == {}


def test_the_shift_is_seen_before_anything_is_retrained(endings: dict[tuple[int, bool], Ending]) -> None:
    for key in SHIFTED:
        ending = endings[key]
        assert ending.alert_after_h is not None
        assert 0 < ending.alert_after_h <= 6, ending.line()
        assert ending.promoted_after_h is not None
        assert ending.alert_after_h < ending.promoted_after_h


def test_the_new_champion_beats_the_old_one_on_the_same_quotes(endings: dict[tuple[int, bool], Ending]) -> None:
    gains = {key: endings[key].gain for key in SHIFTED}
    assert all(gain is not None and gain > 0.05 for gain in gains.values()), gains


def test_the_bad_candidate_is_rolled_back_in_every_market(endings: dict[tuple[int, bool], Ending]) -> None:
    assert {key: endings[key].bad_state for key in SHIFTED if endings[key].bad_state != "rolled_back"} == {}


def test_no_quote_goes_unanswered_and_every_answer_is_logged(endings: dict[tuple[int, bool], Ending]) -> None:
    assert {
        key: (each.unanswered, each.unlogged) for key, each in endings.items() if each.unanswered or each.unlogged
    } == {}
