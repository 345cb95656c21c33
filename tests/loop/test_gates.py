"""The gates, on outputs and labels drawn with a known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.base.errors import InvalidInput
from tidewheel.loop import beats_champion, latency_p99, no_slice_worse_than
from tidewheel.registry import GateCase, ModelVersion, Signature

ROWS = 4000
ZONES = ("north", "south", "harbour", "airport")
NOTHING = np.empty(0)


def version(number: int) -> ModelVersion:
    fields = dict.fromkeys(ModelVersion.__dataclass_fields__)
    fields |= {"id": f"ver_{number}", "model": "m", "number": number, "signature": Signature((), (("p", "float64"),))}
    return ModelVersion(**fields)  # type: ignore[arg-type]


def case(seed: int, *, theirs_off: float = 0.0, ours_off: float = 0.0, zone_off: float = 0.0) -> GateCase:
    """Labels from a known chance; models `off` by so much in log-odds, ours in `harbour` by `zone_off` more."""
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 1, ROWS)
    zone = rng.integers(0, len(ZONES), ROWS)
    labels = (rng.random(ROWS) < chance(score)).astype(float)
    ours = chance(score + ours_off + zone_off * (zone == 2))
    rows = pa.table({"accepted": labels, "zone": [ZONES[each] for each in zone]})
    return GateCase(
        candidate=version(2),
        champion=version(1),
        rows=rows,
        label="accepted",
        prediction="p",
        candidate_outputs=ours[:, None],
        champion_outputs=chance(score + theirs_off)[:, None],
        latencies_ms=np.full(200, 1.5),
    )


def chance(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_a_better_candidate_passes_and_the_worse_one_does_not(metric: str) -> None:
    gate = beats_champion(metric)
    better, worse = case(1, theirs_off=0.8), case(1, ours_off=0.8)
    assert gate.judge(better).passed
    verdict = gate.judge(worse)
    assert not verdict.passed
    assert "does not beat" in verdict.summary
    assert gate.judge(better).evidence["gain_at_least"] > 0


def test_the_same_model_again_passes_at_most_at_the_stated_rate() -> None:
    """At 90 % confidence, a candidate that is as good as the champion gets by in about 10 % of cases."""
    rng = np.random.default_rng(3)
    gate, passed, trials = beats_champion("log_loss"), 0, 300
    for seed in range(trials):
        even = case(seed)
        noise = rng.normal(0, 0.3, (2, ROWS, 1))
        outputs = [chance(np.log(even.candidate_outputs / (1 - even.candidate_outputs)) + each) for each in noise]
        passed += gate.judge(replace(even, candidate_outputs=outputs[0], champion_outputs=outputs[1])).passed
    assert passed / trials < 0.10 + 3 * np.sqrt(0.1 * 0.9 / trials)


def test_a_metric_that_is_no_mean_is_compared_as_it_is() -> None:
    assert (
        beats_champion("auc")
        .judge(replace(case(1), champion_outputs=np.random.default_rng(0).random((ROWS, 1))))
        .passed
    )
    assert (
        not beats_champion("auc")
        .judge(replace(case(1), candidate_outputs=np.random.default_rng(0).random((ROWS, 1))))
        .passed
    )


def test_without_a_champion_there_is_nothing_to_beat() -> None:
    alone = replace(case(1), champion=None, champion_outputs=None)
    assert beats_champion("log_loss").judge(alone).passed
    assert no_slice_worse_than("zone", 0.02).judge(alone).passed


def test_a_handful_of_rows_is_not_enough_to_judge_by() -> None:
    full = case(1, theirs_off=2.0)
    few = replace(
        full,
        rows=full.rows.slice(0, 50),
        candidate_outputs=full.candidate_outputs[:50],
        champion_outputs=full.champion_outputs[:50],
    )
    verdict = beats_champion("log_loss").judge(few)
    assert not verdict.passed
    assert "50 labelled rows" in verdict.summary


def test_harm_in_one_slice_is_found_and_named_though_the_whole_is_better() -> None:
    harmful = case(1, theirs_off=0.8, zone_off=1.5)
    assert beats_champion("log_loss").judge(harmful).passed
    verdict = no_slice_worse_than("zone", 0.02).judge(harmful)
    assert not verdict.passed
    assert "harbour" in verdict.summary
    assert "north" not in verdict.summary


def test_slices_that_differ_by_chance_pass() -> None:
    refused = [not no_slice_worse_than("zone", 0.02).judge(case(seed)).passed for seed in range(50)]
    assert not any(refused)


def test_a_column_that_the_rows_lack_is_said_with_what_they_have() -> None:
    with pytest.raises(InvalidInput, match=r"'city'.*zone"):
        no_slice_worse_than("city", 0.02).judge(case(1))


def test_latency_is_held_at_the_99th_percentile() -> None:
    gate = latency_p99("10ms")
    answers = np.full(1000, 2.0)
    answers[:5] = 500.0  # one in 200
    assert gate.judge(replace(case(1), latencies_ms=answers)).passed
    answers[:20] = 500.0
    verdict = gate.judge(replace(case(1), latencies_ms=answers))
    assert not verdict.passed
    assert "over 10 ms" in verdict.summary
    assert not gate.judge(replace(case(1), latencies_ms=NOTHING)).passed


def test_a_metric_that_does_not_exist_or_has_no_slices_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidInput, match="no metric 'acuracy'"):
        beats_champion("acuracy")
    with pytest.raises(InvalidInput, match="not a mean over rows"):
        no_slice_worse_than("zone", 0.02, metric="auc")
