"""Requests share model calls by the loop's turn, and each still gets its own answer, or its own error."""

import asyncio
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.serving.lane_house import Exiting, Gated, KeptCall, LaneHouse, Summing, reached, turns, until

from tidewheel.base.errors import InvalidInput, Overloaded, TooLate
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.worker.endpoints import EndpointTable


def run(story):
    asyncio.run(asyncio.wait_for(story(), 20))


def test_what_arrives_in_one_turn_of_the_loop_is_one_model_call():
    async def story():
        house = LaneHouse(Summing())
        calls = [KeptCall([float(n)]) for n in range(5)]
        house.take(*calls)
        assert house.model.asked == []
        await turns()
        assert house.model.asked == [5]
        assert [call.answered.outputs.tolist() for call in calls] == [[[float(n)]] for n in range(5)]

    run(story)


def test_one_poisoned_row_does_not_fail_its_batch_mates():
    async def story():
        house = LaneHouse(Summing())
        good, bad, last = KeptCall([1.0]), KeptCall([13.0]), KeptCall([2.0], [3.0])
        house.take(good, bad, last)
        await turns()
        assert good.answered.outputs.tolist() == [[1.0]]
        assert last.answered.outputs.tolist() == [[2.0], [3.0]]
        (failed,) = (work for work in house.finished if work.call is bad)
        assert (failed.outcome.status, str(failed.failure)) == (500, "thirteen")

    run(story)


def test_rows_that_the_model_does_not_take_are_refused_before_it_is_asked():
    async def story():
        house = LaneHouse(Summing())
        wide, good = KeptCall([1.0, 2.0]), KeptCall([1.0])
        house.take(wide, good)
        await turns()
        assert isinstance(wide.refused, InvalidInput)
        assert house.model.asked == [1]

    run(story)


def test_a_lone_request_does_not_wait_for_company():
    async def story():
        house = LaneHouse(Summing(), EndpointOptions(batch_wait_ms=1000))
        call = KeptCall([1.0])
        house.take(call)
        await turns()
        assert call.answered is not None

    run(story)


def test_after_a_busy_turn_a_model_call_waits_for_company_but_not_for_ever():
    async def story():
        house = LaneHouse(Summing(), EndpointOptions(batch_wait_ms=5))
        house.take(*(KeptCall([1.0]) for _ in range(4)))
        await turns()
        first = KeptCall([1.0])
        house.take(first)
        await turns()
        assert first.answered is None  # three more may come
        house.take(*(KeptCall([1.0]) for _ in range(3)))
        await turns()
        assert first.answered is not None
        assert house.model.asked == [4, 4]
        alone = KeptCall([1.0])
        house.take(alone)
        await until(lambda: alone.answered is not None)
        assert house.model.asked == [4, 4, 1]

    run(story)


def test_what_arrives_while_a_slow_model_computes_is_its_next_batch():
    async def story():
        house = LaneHouse(Gated(), EndpointOptions(max_batch_rows=3))
        first, later = KeptCall([1.0]), [KeptCall([float(n)]) for n in range(5)]
        house.take(first)
        await turns()
        await reached(house.model.entered)
        house.take(*later)
        await turns()
        assert house.lanes.waiting == 6
        house.model.gate.release(3)
        await until(lambda: not house.lanes.waiting)
        assert house.model.asked == [1, 3, 2]
        assert [call.answered.outputs[0, 0] for call in later] == [0.0, 1.0, 2.0, 3.0, 4.0]

    run(story)


def test_more_than_may_wait_is_refused():
    async def story():
        house = LaneHouse(Gated(), EndpointOptions(max_queue=2))
        house.take(KeptCall([1.0]), KeptCall([2.0]))
        with pytest.raises(Overloaded, match="2 requests wait for 'surge' already"):
            house.take(KeptCall([3.0]))
        house.model.gate.release(10)
        await until(lambda: not house.lanes.waiting)
        house.take(KeptCall([3.0]))

    run(story)


def test_what_nobody_waits_for_is_not_computed():
    async def story():
        house = LaneHouse(Summing())
        late, left, good = KeptCall([1.0], deadline=time.monotonic() - 1), KeptCall([2.0]), KeptCall([3.0])
        left.left = True
        kept_too_long = KeptCall([4.0])
        kept_too_long.limit_to(-1000)
        house.take(late, left, good, kept_too_long)
        await turns()
        assert house.model.asked == [1]
        assert isinstance(late.refused, TooLate)
        assert isinstance(kept_too_long.refused, TooLate)
        statuses = {work.call: work.outcome.status for work in house.finished}
        assert statuses == {good: 200, left: 499, late: 499, kept_too_long: 504}  # its own impatience is no evidence

    run(story)


def test_a_model_that_tries_to_exit_fails_its_request_and_nothing_else():
    async def story():
        house = LaneHouse(Exiting())
        bad, good = KeptCall([13.0]), KeptCall([1.0])
        for leaves_loop in (False, True):
            house.version.leaves_loop = leaves_loop
            house.take(bad, good)
            await until(lambda: not house.lanes.waiting)
            assert [work.outcome.status for work in house.finished] == [500, 200]
            house.finished.clear()
            good.answered = None

    run(story)


def test_requests_to_a_version_that_is_loaded_anew_meanwhile_are_answered_by_the_old_one():
    async def story():
        house = LaneHouse(Gated(), EndpointOptions(max_batch_rows=1))
        first, second, third = (KeptCall([float(n)]) for n in range(3))
        house.take(first, second)
        await turns()
        await reached(house.model.entered)
        old, table = house.version, EndpointTable(2, {})
        house.load()  # the same version, anew
        house.lanes.keep(table)
        house.take(third)
        await turns()
        house.model.gate.release(3)
        await until(lambda: not house.lanes.waiting)
        assert [call.answered.outputs[0, 0] for call in (first, second, third)] == [0.0, 1.0, 2.0]
        assert old is not house.version
        house.lanes.keep(table)
        assert house.lanes._lanes == {}

    run(story)


def test_a_deadline_that_passes_behind_a_slow_model_is_told_at_once():
    async def story():
        house = LaneHouse(Gated())
        house.take(KeptCall([1.0]))
        await turns()
        await reached(house.model.entered)
        late = KeptCall([2.0], deadline=time.monotonic() - 1)
        house.take(late)
        await turns()
        house.lanes.sweep()
        assert isinstance(late.refused, TooLate)
        house.model.gate.release(1)
        await until(lambda: not house.lanes.waiting)
        assert house.model.asked == [1]

    run(story)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=9), min_size=1, max_size=20),
    st.integers(1, 12),
    st.sets(st.integers(0, 19)),
)
def test_each_call_gets_the_answers_to_its_own_rows_whatever_shares_its_batch(requests, most, breaks):
    async def story():
        house = LaneHouse(Summing(), EndpointOptions(max_batch_rows=most))
        calls = [KeptCall(*([float(value)] for value in values)) for values in requests]
        for place, call in enumerate(calls):
            house.take(call)
            if place in breaks:
                await turns()
        await turns()
        for call, values in zip(calls, requests, strict=True):
            if 13 in values:
                assert call.answered is None
            else:
                np.testing.assert_array_equal(call.answered.outputs[:, 0], np.array(values, dtype=float))
        assert all(size <= max(most, *map(len, requests)) for size in house.model.asked)
        assert len(house.finished) == len(calls)

    run(story)
