"""Endpoints and routes: what is kept, journaled, published, and how workers follow."""

import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.serving.house import until, value_of
from tests.serving.models import Adding

from tidewheel.base.clock import ReplayClock
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.units import to_us
from tidewheel.serving import Route, RoutingUnit, store
from tidewheel.serving.snapshot import ServingFolder, read_snapshot
from tidewheel.storage.journal import read_entries


def functions_of(thread):
    """What a thread is in the middle of."""
    frame = sys._current_frames().get(thread.ident)
    return [] if frame is None else [entry.name for entry in traceback.extract_stack(frame)]


def test_an_endpoint_is_made_once(house):
    first = house.serving.create_endpoint("surge")
    assert house.serving.create_endpoint("surge") == first
    assert first.route.weights == {}
    assert house.serving.champion("surge") is None
    assert house.serving.endpoints() == [first]
    with house.metadata.read() as connection:
        assert [entry.kind for entry in read_entries(connection, kinds=["serving."])] == ["serving.endpoint.created"]


def test_an_endpoint_made_twice_at_once_keeps_the_route_that_it_has_by_then(house):
    version = house.register(Adding(1.0))
    now = datetime.now(UTC)
    late = threading.Thread(target=house.serving.create_endpoint, args=("surge",))
    with house.metadata.change() as change:  # another process makes the endpoint and its route
        late.start()
        until(lambda: "_writing" in functions_of(late))  # it has found no endpoint, and waits to write
        store.add_endpoint(change.connection, "surge", to_us(now))
        entry = change.emit("serving.endpoint.created", "endpoint:surge")
        made = Route(
            endpoint="surge",
            generation=1,
            weights={version.id: 100.0},
            shadows=(),
            unit=RoutingUnit(),
            salt="surge",
            at=now,
            entry_id=entry,
        )
        store.add_route(change.connection, made)
    late.join()
    assert house.serving.route("surge").weights == {version.id: 100.0}
    with house.metadata.read() as connection:
        assert len(read_entries(connection, kinds=["serving."])) == 1


def test_a_route_is_journaled_with_its_versions_and_published(house):
    champion = house.deploy(Adding(1.0))
    candidate = house.register(Adding(2.0))
    route = house.serving.set_route("surge", {champion.id: 95.0, candidate.id: 5.0})
    assert list(route.weights.items()) == [(candidate.id, 5.0), (champion.id, 95.0)]
    assert house.serving.champion("surge") == champion.id
    with house.metadata.read() as connection:
        entry = read_entries(connection, kinds=["serving.route.changed"], newest_first=True)[0]
    assert (entry.subject, entry.id) == ("endpoint:surge", route.entry_id)
    assert entry.inputs == (f"version:{candidate.id}", f"version:{champion.id}")
    snapshot = read_snapshot(ServingFolder(house.home).snapshot)
    assert snapshot is not None
    assert snapshot.generation == route.generation
    assert [version.id for version in snapshot.versions] == sorted([champion.id, candidate.id])


def test_setting_the_present_route_again_changes_nothing(house):
    version = house.deploy(Adding(1.0))
    before = house.serving.route("surge")
    assert house.serving.set_route("surge", {version.id: 100.0}) == before
    assert len(house.serving.history("surge")) == 2


@dataclass(frozen=True)
class UnitOfAnotherRoom:
    entity: str
    window_s: float


def test_a_unit_of_another_room_is_taken_by_its_fields(house):
    one, two = house.deploy(Adding(1.0)), house.register(Adding(2.0))
    weights = {one.id: 50.0, two.id: 50.0}
    first = house.serving.set_route("surge", weights, [], UnitOfAnotherRoom("zone", 3600.0))
    assert first.unit == RoutingUnit("zone", 3600.0)
    assert house.serving.set_route("surge", weights, [], UnitOfAnotherRoom("zone", 3600.0)) == first


@pytest.mark.parametrize("weights", [{}, {"a": 50.0}, {"a": 150.0, "b": -50.0}, {"a": float("nan")}])
def test_weights_must_share_a_hundred_percent(house, weights):
    house.serving.create_endpoint("surge")
    with pytest.raises(InvalidInput, match="100"):
        house.serving.set_route("surge", weights)


def test_unknown_names_are_not_found(house):
    version = house.register(Adding(1.0))
    with pytest.raises(NotFound):
        house.serving.set_route("nobody", {version.id: 100.0})
    house.serving.create_endpoint("surge")
    with pytest.raises(NotFound):
        house.serving.set_route("surge", {"ver_nobody": 100.0})
    with pytest.raises(InvalidInput, match="both answer"):
        house.serving.set_route("surge", {version.id: 100.0}, [version.id])
    with pytest.raises(InvalidInput, match="name an endpoint"):
        house.serving.create_endpoint("../etc")


def test_callers_stay_with_their_version_over_workers_and_restarts(house, connect):
    champion = house.deploy(Adding(1.0))
    candidate = house.register(Adding(2.0))
    house.serving.set_route("surge", {champion.id: 70.0, candidate.id: 30.0})
    group = house.start(workers=2)

    def holders():
        clients = [connect(group) for _ in range(6)]
        return {
            key: {clients[number].infer([0.0, 0.0], x_tidewheel_key=key).json["model_version"] for number in range(6)}
            for key in (f"rider{number}" for number in range(200))
        }

    before = holders()
    assert all(len(versions) == 1 for versions in before.values())
    share = sum(versions == {"2"} for versions in before.values()) / 200
    assert 0.2 < share < 0.4
    for process in group._processes.values():
        process.kill()
        process.wait()
    until(lambda: group.look() is not None and group.ready())
    assert holders() == before
    house.serving.set_route("surge", {champion.id: 50.0, candidate.id: 50.0})
    house.applied()
    after = holders()
    assert all(after[key] == {"2"} for key, versions in before.items() if versions == {"2"})


def test_a_switchback_gives_whole_cells_to_one_version(house, connect):
    clock = ReplayClock(house.home / "clock", datetime(2026, 3, 2, tzinfo=UTC))
    one, two = house.register_zones(Adding(1.0)), house.register_zones(Adding(2.0))
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {one.id: 100.0})
    house.serving.set_route("surge", {one.id: 50.0, two.id: 50.0}, unit=RoutingUnit("zone", 3600.0))
    client = connect(house.start())

    def version_of(zone):
        tensors = [
            {"name": "zone", "datatype": "BYTES", "shape": [1], "data": [zone]},
            {"name": "drivers", "datatype": "FP64", "shape": [1], "data": [1.0]},
        ]
        return client.request("POST", "/v2/models/surge/infer", {"inputs": tensors}).json["model_version"]

    cells = {}
    for hour in range(12):
        for minute in (1, 30, 59):
            clock.advance_to(datetime(2026, 3, 2, hour, tzinfo=UTC) + timedelta(minutes=minute))
            for zone in ("z1", "z2", "z3"):
                cells.setdefault((zone, hour), set()).add(version_of(zone))
    assert all(len(versions) == 1 for versions in cells.values())
    assert {version for versions in cells.values() for version in versions} == {"1", "2"}
    predictions, _ = house.records()
    assert len({prediction.unit for prediction in predictions}) == 36
    assert predictions[0].unit.startswith("z1@")


def test_workers_start_without_endpoints_and_take_the_first(house, connect):
    client = connect(house.start())
    assert client.request("GET", "/v2/health/ready").status == 200
    assert client.infer([1.0, 2.0]).status == 404
    house.deploy(Adding(1.0))
    house.applied()
    assert value_of(client.infer([1.0, 2.0])) == 4.0
