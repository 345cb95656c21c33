"""An endpoint is made, gets its first version, changes its model and is deleted, as callers see it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.serving.house import Client, House, open_house, until, value_of
from tests.serving.models import Adding, HeldUp

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Conflict, NotFound
from tidewheel.base.settings import Settings
from tidewheel.base.units import to_us
from tidewheel.serving import Serving
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.storage.journal import read_entries


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("there_before", [True, False])
def test_while_the_first_version_is_loaded_callers_hear_that_it_is(house: House, there_before: bool) -> None:
    house.deploy_as("tides", Adding(1.0))
    if there_before:
        house.serving.create_endpoint("surge")
    version = house.register(HeldUp(house.home))
    house.serving.prepare([version.id])
    client = Client(house.start())
    (house.home / "hold").touch()
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    until(lambda: b"is loading" in client.infer([1.0, 2.0]).body)
    answer = client.infer([1.0, 2.0])
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert client.request("GET", "/v2/models/surge/ready").headers["retry-after"] == "1"
    assert value_of(client.infer([1.0, 2.0], path="tides")) == 4.0
    (house.home / "hold").unlink()
    until(lambda: client.infer([1.0, 2.0]).status == 200)
    client.close()


def test_the_very_first_version_of_an_install_is_told_to_be_loading_too(house: House) -> None:
    version = house.register(HeldUp(house.home))
    house.serving.prepare([version.id])
    client = Client(house.start())
    (house.home / "hold").touch()
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    until(lambda: b"is loading" in client.infer([1.0, 2.0]).body)
    (house.home / "hold").unlink()
    until(lambda: client.infer([1.0, 2.0]).status == 200)
    client.close()


def test_versions_that_are_listed_are_of_one_model(house: House) -> None:
    before = house.deploy(Adding(1.0))
    after = house.deploy_as("other", Adding(2.0))
    assert (before.number, after.number) == (1, 1)
    client = Client(house.start())
    for weights, answer in (({before.id: 90.0, after.id: 10.0}, 4.0), ({after.id: 100.0}, 5.0)):
        house.serving.set_route("surge", weights)
        house.applied()
        assert client.request("GET", "/v2/models/surge").json["versions"] == ["1"]
        assert value_of(client.infer([1.0, 2.0], path="surge/versions/1")) == answer
        entries = client.request("POST", "/v2/repository/index").json
        assert [each["version"] for each in entries if each["name"] == "surge"] == ["1"]
    client.close()


def test_what_only_a_shadow_takes_is_not_told_to_callers(house: House) -> None:
    champion, shadow = house.deploy(Adding(1.0)), house.register(Adding(2.0), inputs=("a", "b", "rain"))
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    client = Client(house.start())
    tensors = [{"name": name, "datatype": "FP64", "shape": [1], "data": [1.0]} for name in ("a", "b", "wind")]
    answer = client.request("POST", "/v2/models/surge/infer", {"inputs": tensors})
    assert (answer.status, answer.json["error"].endswith("It knows: a, b, features.")) == (400, True)
    client.close()


def test_workers_forget_an_endpoint_that_is_deleted_and_know_one_of_its_name_anew(house: House) -> None:
    first = house.deploy(Adding(1.0))
    house.deploy_as("tides", Adding(1.0))
    client = Client(house.start())
    assert client.infer([1.0, 2.0]).status == 200
    house.serving.configure_endpoint("surge", timeout_ms=900)
    house.serving.delete_endpoint("surge", force=True)
    house.applied()
    assert client.infer([1.0, 2.0]).status == 404
    assert client.infer([1.0, 2.0], path="tides").status == 200
    assert [each.name for each in house.serving.endpoints()] == ["tides"]
    for lost in (house.serving.endpoint, house.serving.delete_endpoint, house.serving.route):
        with pytest.raises(NotFound, match="surge"):
            lost("surge")
    again = house.deploy(Adding(5.0))
    house.applied()
    assert value_of(client.infer([1.0, 2.0])) == 8.0
    assert first.id not in {version for route in house.serving.history("surge") for version in route.weights}
    assert house.serving.endpoint("surge").options.timeout_ms == 0
    assert house.serving.champion("surge") == again.id
    client.close()


class Stepped(SystemClock):
    """The machine's clock, set back by an hour when the test says so."""

    back = timedelta(0)

    def now(self) -> datetime:
        return super().now() - self.back

    def now_us(self) -> int:
        return to_us(self.now())


def test_a_clock_that_is_set_back_hides_no_route(house: House) -> None:
    clock, blobs = Stepped(), LocalBlobs(house.home / "blobs")
    serving = Serving(house.metadata, house.registry, house.features, blobs, house.log, clock, Settings(), house.home)
    serving.create_endpoint("surge")
    versions = [house.register(Adding(1.0)).id for _ in range(2)]
    clock.back = timedelta(hours=1)
    for version in versions:
        assert serving.set_route("surge", {version: 100.0}).weights == {version: 100.0}
    assert [list(route.weights) for route in serving.history("surge")] == [[versions[1]], [versions[0]], []]
    serving.delete_endpoint("surge", force=True)
    serving.create_endpoint("surge")
    assert [list(route.weights) for route in serving.history("surge")] == [[]]


def test_an_endpoint_that_has_just_answered_is_not_deleted_by_mistake(house: House) -> None:
    house.deploy(Adding(1.0))
    client = Client(house.start())
    assert client.infer([1.0, 2.0]).status == 200
    with pytest.raises(Conflict, match="last 5 minutes"):
        house.serving.delete_endpoint("surge")
    house.deploy_as("quiet", Adding(1.0))
    house.serving.delete_endpoint("quiet")
    house.serving.delete_endpoint("surge", force=True)
    with house.metadata.read() as connection:
        told = read_entries(connection, kinds=["serving.endpoint.deleted"])
    assert [entry.subject for entry in told] == ["endpoint:quiet", "endpoint:surge"]
    client.close()
