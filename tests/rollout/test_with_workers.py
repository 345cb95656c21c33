"""The walk with real inference workers and a real registry: both seams, and the log as workers write it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serving.house import Client, House, open_house, until
from tests.serving.models import Adding, Failing, Gated, Sluggish

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import NotFound
from tidewheel.registry import Signature
from tidewheel.rollout import Canary, Rollout, Rollouts, RolloutState, switchback


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def rollouts(house: House) -> Rollouts:
    return Rollouts(house.metadata, house.log, house.serving, house.registry, SystemClock())


def serve_until_ended(house: House, rollouts: Rollouts, rollout: Rollout, values: Callable[[str], float]) -> Rollout:
    """Ask, label and tick until the walk is over; every caller must get an answer."""
    client, asked = Client(house.groups[0]), 0

    def ended() -> bool:
        nonlocal asked
        for _ in range(20):
            asked += 1
            answer = client.infer([1.0, 2.0], id=f"q{asked}")
            if answer.status == 200:
                house.serving.label([{"id": f"q{asked}", "values": {"value": values(answer.json["model_version"])}}])
        rollouts.tick()
        return not rollouts.get(rollout.id).running

    try:
        until(ended)
    finally:
        client.close()
    return rollouts.get(rollout.id)


def press_until_ended(house: House, rollouts: Rollouts, candidate: str, gate: Path | None = None) -> list[int]:
    """Walk a candidate while forty requests come faster than it answers, or before it may, if it has a gate; the
    statuses of all answers."""
    group = house.start()
    client, probe, statuses = Client(group), Client(group), list[int]()
    plan = Canary(shadow=None, steps=(50, 100), guardrails=("error_rate",), min_per_stage=10_000, max_stage="1h")
    rollout = rollouts.start("surge", None, candidate, plan)

    def ended() -> bool:
        if gate is not None:
            gate.unlink(missing_ok=True)
        for _ in range(10):
            for _ in range(4):
                client.send_infer([1.0, 2.0])
            assert probe.request("GET", "/v2/health/live").status == 200  # the worker has taken up those before
        if gate is not None:
            gate.touch()
        statuses.extend(client.answer().status for _ in range(40))
        rollouts.tick()
        return not rollouts.get(rollout.id).running

    try:
        until(ended)
    finally:
        if gate is not None:
            gate.touch()
        client.close()
        probe.close()
    return statuses


def test_a_better_candidate_becomes_champion_of_route_and_registry(house: House, rollouts: Rollouts) -> None:
    champion, candidate = house.deploy(Adding(1.0)), house.register(Adding(2.0))
    house.start()
    plan = Canary(shadow="200ms", steps=(20, 50, 100), goal="value", min_per_stage=40, max_stage="1h")
    rollout = rollouts.start("surge", champion.id, candidate.id, plan)
    wobble = iter(range(10**9))
    worth = {"1": 1.0, "2": 2.0}
    done = serve_until_ended(house, rollouts, rollout, lambda version: worth[version] + next(wobble) % 7 / 10)
    assert (done.state, done.settled) == (RolloutState.PROMOTED, True)
    assert house.serving.route("surge").weights == {candidate.id: 100.0}
    assert house.registry.find("models:/surge@champion").id == candidate.id
    shadow = rollouts.decisions(rollout.id)[0].evidence
    assert shadow["arms"]["candidate"]["requests"] > 0
    assert shadow["agreement"]["agreeing"] == 0


def test_a_candidate_that_fails_is_rolled_back_on_live_traffic(house: House, rollouts: Rollouts) -> None:
    champion, candidate = house.deploy(Adding(1.0)), house.register(Failing())
    house.start()
    plan = Canary(shadow=None, steps=(50, 100), goal="value", max_stage="1h")
    done = serve_until_ended(house, rollouts, rollouts.start("surge", None, candidate.id, plan), lambda version: 1.0)
    assert done.state is RolloutState.ROLLED_BACK
    assert "fails in 100.00%" in done.reason
    assert house.serving.route("surge").weights == {champion.id: 100.0}


def test_a_candidate_so_slow_that_its_queue_fills_is_rolled_back_for_what_was_refused(
    house: House, rollouts: Rollouts
) -> None:
    champion, candidate = house.deploy(Adding(1.0)), house.register(Gated(house.home))
    house.serving.configure_endpoint("surge", max_queue=8, max_batch_rows=1)
    statuses = press_until_ended(house, rollouts, candidate.id, house.home / "gate")
    done = rollouts.ls("surge")[0]
    assert done.state is RolloutState.ROLLED_BACK
    assert "The candidate fails in" in done.reason
    assert house.serving.route("surge").weights == {champion.id: 100.0}
    predictions, _ = house.records()
    logged = [each for each in predictions if each.status == 429]
    assert len(logged) == statuses.count(429) > 0
    assert {(each.version, each.features, each.outputs) for each in logged} == {(candidate.id, b"", b"")}


def test_a_candidate_that_misses_the_endpoints_deadline_is_rolled_back_for_it(house: House, rollouts: Rollouts) -> None:
    house.deploy(Adding(1.0))
    candidate = house.register(Sluggish())
    house.serving.configure_endpoint("surge", timeout_ms=20, max_batch_rows=1)
    statuses = press_until_ended(house, rollouts, candidate.id)
    assert set(statuses) == {200, 504}
    done = rollouts.ls("surge")[0]
    assert done.state is RolloutState.ROLLED_BACK
    assert "The candidate fails in" in done.reason


def test_a_candidate_that_refuses_what_the_champion_answers_does_not_leave_the_shadow(
    house: House, rollouts: Rollouts
) -> None:
    champion = house.deploy(Adding(1.0))
    whole = Signature((("a", "int64"), ("b", "int64")), (("p", "float64"),))
    candidate = house.register(Adding(2.0), signature=whole)
    client = Client(house.start())
    rollout = rollouts.start("surge", None, candidate.id, Canary(shadow="1h", max_stage="24h"))

    def ended() -> bool:
        assert {client.infer([1.5, 2.5]).status for _ in range(20)} == {200}
        rollouts.tick()
        return not rollouts.get(rollout.id).running

    until(ended)
    client.close()
    done = rollouts.get(rollout.id)
    assert done.state is RolloutState.ROLLED_BACK
    assert "fails in 100.00% of requests" in done.reason
    assert "fails in 100.00% of requests" in rollouts.outlook(rollout.id).reason
    assert house.serving.route("surge").weights == {champion.id: 100.0}


def test_a_switchback_routes_by_the_plans_unit(house: House, rollouts: Rollouts) -> None:
    house.deploy(Adding(1.0))
    rollouts.start("surge", None, house.register(Adding(2.0)).id, Canary(shadow=None, unit=switchback("zone", "1h")))
    unit = house.serving.route("surge").unit
    assert (unit.entity, unit.window_s, unit.switchback) == ("zone", 3600.0, True)
    rollouts.tick()
    assert len(house.serving.history("surge")) == 3


def test_a_version_that_is_not_there_cannot_begin(house: House, rollouts: Rollouts) -> None:
    champion = house.deploy(Adding(1.0))
    with pytest.raises(NotFound, match="ver_nobody"):
        rollouts.start("surge", None, "ver_nobody", Canary())
    assert rollouts.running("surge") is None
    assert house.serving.route("surge").weights == {champion.id: 100.0}
    with pytest.raises(NotFound, match="elsewhere"):
        rollouts.start("elsewhere", None, "ver_nobody", Canary())
