"""Which records count, for which stage and arm, and that each counts once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.rollout.town import CANDIDATE, CHAMPION, Behaviour, Town

from tidewheel.rollout import Canary, Rollout, Unit, store, switchback
from tidewheel.rollout.evidence import StageEvidence

PLAN = Canary(shadow=None, steps=(50, 100), goal="value", min_per_stage=10_000)


def evidence(town: Town, rollout: Rollout) -> list[StageEvidence]:
    town.rollouts.tick()
    with town.metadata.read() as connection:
        return store.load_evidence(connection, rollout.id)


def start(town: Town, **changes: Any) -> Rollout:
    return town.rollouts.start("surge", CHAMPION, CANDIDATE, replace(PLAN, **changes))


def answer(town: Town, each: str, value: float | None = None, *, version: str = CANDIDATE, **fields: Any) -> None:
    town.predict(id=each, version=version, **fields)
    if value is not None:
        town.label(each, {"value": value})


def test_a_label_that_is_sent_twice_counts_once(town: Town) -> None:
    rollout = start(town)
    answer(town, "a", 4.0)
    town.label("a", {"value": 4.0})
    evidence(town, rollout)
    town.label("a", {"value": 4.0})
    arm = evidence(town, rollout)[0].candidate
    assert (arm.labelled, arm.goal.ratio) == (1, 4.0)


def test_a_label_may_come_long_after_its_prediction_and_counts_for_the_stage_of_the_prediction(town: Town) -> None:
    rollout = start(town, steps=(20, 50, 100), min_per_stage=2)
    for each in ("a", "b", "late"):
        answer(town, each, 1.0 if each != "late" else None)
    town.clock.advance_to(town.clock.now() + timedelta(seconds=1))
    town.rollouts.tick()
    assert town.rollouts.get(rollout.id).stage == 1
    town.clock.advance_to(town.clock.now() + timedelta(minutes=30))
    town.label("late", {"value": 7.0})
    first, second = evidence(town, rollout)
    assert (first.candidate.labelled, second.candidate.labelled) == (3, 0)


def test_what_a_full_queue_refused_is_held_against_its_version_and_each_try_counts(town: Town) -> None:
    rollout = start(town)
    answer(town, "a", status=429, features=b"", outputs=b"")
    town.clock.advance_to(town.clock.now() + timedelta(milliseconds=1))
    answer(town, "a")  # sent again under the same id
    arm = evidence(town, rollout)[0].candidate
    assert (arm.requests.n, arm.requests.failures, arm.latency_ms.n) == (2, 1, 1)


def test_what_the_champions_queue_refused_does_not_favour_a_shadow_which_has_none(town: Town) -> None:
    rollout = start(town, shadow="1h")
    answer(town, "a", version=CHAMPION, status=429, outputs=b"")
    answer(town, "b", version=CHAMPION)
    assert evidence(town, rollout)[0].champion.requests.n == 1


@pytest.mark.parametrize("values", [{}, {"other": 1.0}, {"value": float("nan")}], ids=["none", "another", "nan"])
def test_a_label_without_the_goals_value_does_not_count(town: Town, values: dict[str, float]) -> None:
    rollout = start(town)
    answer(town, "a")
    town.label("a", values)
    assert evidence(town, rollout)[0].candidate.labelled == 0


def test_other_endpoints_versions_and_arms_do_not_count(town: Town) -> None:
    rollout = start(town)
    answer(town, "a", 1.0, endpoint="elsewhere")
    answer(town, "b", 1.0, version="ver_third")
    answer(town, "c", 1.0, arm="direct")
    answer(town, "d", 1.0, arm="shadow")
    here = evidence(town, rollout)[0]
    assert here.candidate.requests.n == here.champion.requests.n == here.candidate.labelled == 0


def test_a_callers_mistake_is_not_held_against_a_version_and_a_failure_is(town: Town) -> None:
    rollout = start(town)
    answer(town, "a", status=422)
    answer(town, "b", status=500, outputs=b"")
    answer(town, "c")
    requests = evidence(town, rollout)[0].candidate.requests
    assert (requests.n, requests.failures) == (2, 1)


def test_a_shadow_that_refuses_what_the_champion_answered_has_failed(town: Town) -> None:
    rollout = start(town, shadow="1h")
    for each, status, of_champion in [("a", 400, 200), ("b", 422, 200), ("c", 400, 400), ("d", 200, 200)]:
        answer(town, each, version=CHAMPION, status=of_champion)
        answer(town, each, status=status, arm="shadow")
    answer(town, "e", status=400, arm="shadow")  # what became of it at the champion is not known
    here = evidence(town, rollout)[0]
    assert (here.candidate.requests.n, here.candidate.requests.failures) == (3, 2)
    assert (here.champion.requests.n, here.champion.requests.failures) == (3, 0)
    assert here.agreement.pairs == 1


def test_the_rows_of_one_request_are_one_request_and_one_unit(town: Town) -> None:
    rollout = start(town)
    for row in range(5):
        answer(town, f"r:{row}", float(row), unit="r", row=row)
    arm = evidence(town, rollout)[0].candidate
    assert (arm.requests.n, arm.labelled, arm.goal.clusters, arm.goal.ratio) == (1, 5, 1, 2.0)


def test_requests_whose_callers_number_them_like_rows_are_a_request_each(town: Town) -> None:
    rollout = start(town)
    for number in range(5):
        answer(town, f"order:{number}", status=500 if number == 3 else 200)
    requests = evidence(town, rollout)[0].candidate.requests
    assert (requests.n, requests.failures) == (5, 1)


def test_a_callers_predictions_are_one_unit_across_batches(town: Town) -> None:
    rollout = start(town)
    for number in range(6):
        answer(town, f"q{number}", float(number), unit="rider-1")
        evidence(town, rollout)
    answer(town, "q6", 10.0, unit="rider-2")
    arm = evidence(town, rollout)[0].candidate
    assert (arm.labelled, arm.goal.clusters, arm.goal.total) == (7, 2, 25.0)
    assert arm.goal.total_squares == pytest.approx(15.0**2 + 10.0**2)
    assert arm.goal.count_squares == pytest.approx(6.0**2 + 1)


def test_a_switchback_window_counts_once_when_it_has_closed(town: Town) -> None:
    rollout = start(town, unit=switchback("zone", "1h"))
    town.clock.advance_to(town.clock.now() + timedelta(hours=1))
    unit = f"zone-3@{town.clock.now_us() // 3_600_000_000}"
    for number in range(3):
        answer(town, f"q{number}", 2.0, unit=unit)
    assert evidence(town, rollout)[0].candidate.labelled == 0
    town.clock.advance_to(town.clock.now() + timedelta(hours=2))
    arm = evidence(town, rollout)[0].candidate
    assert (arm.labelled, arm.goal.clusters, arm.goal.total) == (3, 1, 6.0)
    answered_at = town.clock.now_us() - 2 * 3_600_000_000
    answer(town, "straggler", 2.0, unit=unit, at_us=answered_at)
    assert evidence(town, rollout)[0].candidate.labelled == 3


def test_a_switchback_window_that_the_stage_cut_does_not_count(town: Town) -> None:
    town.clock.advance_to(town.clock.now() + timedelta(minutes=20))
    rollout = start(town, unit=Unit("zone", 3600.0))
    answer(town, "a", 2.0, unit=f"zone-3@{town.clock.now_us() // 3_600_000_000}")
    town.clock.advance_to(town.clock.now() + timedelta(hours=3))
    assert evidence(town, rollout)[0].candidate.labelled == 0


def test_a_switchback_window_that_the_stages_end_cut_does_not_count(town: Town) -> None:
    rollout = start(town, unit=switchback("zone", "1h"), steps=(20, 50, 100), min_per_stage=1)
    for hour in (7, 8):
        town.clock.advance_to(town.clock.now().replace(hour=hour))
        answer(town, f"whole-{hour}", 1.0, unit=f"north@{hour}")
    town.clock.advance_to(town.clock.now().replace(hour=9))
    answer(town, "cut", 1.0, unit="north@9")
    town.rollouts.tick()  # the window from 7 on has closed, which is enough to advance in the midst of that from 9 on
    assert town.rollouts.get(rollout.id).stage == 1
    town.clock.advance_to(town.clock.now().replace(hour=12))
    assert evidence(town, rollout)[0].candidate.labelled == 2


def test_what_was_served_before_a_rollout_began_does_not_count(town: Town) -> None:
    town.serve(50, {CHAMPION: Behaviour()})
    town.clock.advance_to(town.clock.now() + timedelta(seconds=1))
    rollout = start(town)
    assert evidence(town, rollout)[0].champion.requests.n == 0


def test_the_working_memory_is_emptied_when_a_rollout_ends(town: Town) -> None:
    rollout = start(town)
    answer(town, "a", 1.0, unit="rider-1")
    evidence(town, rollout)
    town.rollouts.abort(rollout.id)
    with town.metadata.read() as connection:
        left = [connection.scalar(select(func.count()).select_from(table)) for table in (store.units, store.labelled)]
    assert left == [0, 0]


def test_the_cursor_moves_along_while_nothing_is_rolled_out(town: Town) -> None:
    town.serve(10, {CHAMPION: Behaviour()})
    town.rollouts.tick()
    with town.metadata.read() as connection:
        cursor = town.log.load_cursor(connection, "rollout")
    assert town.log.read(cursor).predictions == []
