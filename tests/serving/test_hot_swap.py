"""Versions come and go under load, and no request fails."""

import shutil
import threading
import time
from collections import Counter

import pytest
from tests.serving.house import Client, until, value_of
from tests.serving.models import Adding

from tidewheel.base.settings import Settings
from tidewheel.serving import WorkerGroup


class Load:
    """Clients that ask in a closed loop from threads, and count."""

    def __init__(self, group, clients=3, pause_s=0.0):
        self.group = group
        self.pause_s = pause_s
        self.statuses = Counter()
        self.values = set()
        self.stopping = threading.Event()
        self.counting = threading.Lock()
        self.errors = []
        self.threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        assert self.errors == []

    def _run(self):
        try:
            client = Client(self.group)
            while not self.stopping.wait(self.pause_s):
                answer = client.infer([1.0, 2.0])
                with self.counting:  # or threads would now and then lose a count
                    self.statuses[answer.status] += 1
                self.values.add(answer.json["outputs"][0]["data"][0])
            client.close()
        except Exception as error:
            self.errors.append(error)


def test_swapping_versions_ten_times_a_second_fails_no_request(house):
    versions = [house.deploy(Adding(float(number))) for number in range(4)]
    group = house.start(workers=2)
    with Load(group) as load:
        deadline, turn = time.monotonic() + 3, 0
        while time.monotonic() < deadline:
            turn += 1
            new, old = versions[turn % 4], versions[(turn - 1) % 4]
            house.serving.set_route("surge", {new.id: 50.0, old.id: 50.0} if turn % 2 else {new.id: 100.0})
            load.stopping.wait(0.1)
        house.applied()
    assert set(load.statuses) == {200}
    assert load.statuses[200] > 200
    assert load.values == {3.0, 4.0, 5.0, 6.0}
    predictions, _ = house.records()
    assert len(predictions) == load.statuses[200]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_new_version_every_second_for_two_minutes_fails_no_request(house):
    house.deploy(Adding(0.0))
    group = house.start(workers=2, memory_budget_mb=512)
    began, swaps = time.monotonic(), 0
    with Load(group, clients=4, pause_s=0.002) as load:
        while time.monotonic() - began < 120:
            swaps += 1
            house.deploy(Adding(float(swaps)))
            load.stopping.wait(max(began + swaps - time.monotonic(), 0))
        house.applied()
        until(lambda: 3.0 + swaps in load.values)
    assert swaps >= 100
    assert set(load.statuses) == {200}
    predictions, _ = house.records()
    assert len(predictions) == load.statuses[200]


@pytest.mark.parametrize("damage", ["gone", "nonsense", "empty"])
def test_workers_go_on_when_the_snapshot_is_lost(house, damage):
    house.deploy(Adding(1.0))
    group = house.start()
    snapshot = house.home / "serving" / "snapshot.json"
    with Load(group, clients=1) as load:
        if damage == "gone":
            snapshot.unlink()
        else:
            snapshot.write_bytes({"nonsense": b"{]", "empty": b""}[damage])
            until(lambda: "snapshot" in house.serving.status().workers[0].failures)
        counted = load.statuses.get(200, 0)
        until(lambda: load.statuses.get(200, 0) > counted + 50)
        house.serving.publish()
        house.applied()
    assert set(load.statuses) == {200}


def test_a_version_that_cannot_be_loaded_leaves_the_old_route_in_place(house, connect):
    good = house.deploy(Adding(1.0))
    client = connect(house.start())
    bad = house.register(Adding(2.0))
    house.serving._publisher.prepare(bad)
    (file,) = (path for path in (house.home / "serving" / "models" / bad.id / "files").iterdir())
    file.write_bytes(b"damaged")
    route = house.serving.set_route("surge", {good.id: 50.0, bad.id: 50.0})
    until(lambda: house.serving.status().workers[0].failures)
    (worker,) = house.serving.status().workers
    assert "BLAKE3" in worker.failures[bad.id]
    assert worker.generation < route.generation
    assert not house.serving.applied(route.generation)
    assert {client.infer([1.0, 2.0]).json["model_version"] for _ in range(20)} == {"1"}
    # The control side fetches damaged files again, and the worker takes the route after all.
    until(lambda: house.serving.publish() and house.serving.applied(route.generation))
    assert {client.infer([1.0, 2.0]).json["model_version"] for _ in range(40)} == {"1", "2"}


def test_a_version_that_cannot_be_loaded_holds_no_other_endpoint_back(house, connect):
    first = house.deploy(Adding(1.0))
    client = connect(house.start())
    house.serving.create_endpoint("other")
    broken = house.register(Adding(9.0))
    house.serving._publisher.prepare(broken)
    (file,) = (path for path in (house.home / "serving" / "models" / broken.id / "files").iterdir())
    file.write_bytes(b"damaged")
    (digest,) = broken.files.values()
    (house.home / "blobs" / digest[:2] / digest[2:]).write_bytes(b"damaged too: it cannot be mended")
    house.serving.set_route("other", {first.id: 95.0, broken.id: 5.0})
    until(lambda: house.serving.status().workers[0].failures)
    second = house.register(Adding(2.0))
    house.serving.set_route("surge", {second.id: 100.0})
    until(lambda: client.infer([1.0, 2.0]).json["parameters"]["version"] == second.id)
    assert not house.serving.status().applied
    house.serving.set_route("other", {first.id: 100.0})
    house.applied()


def test_a_version_that_a_killed_process_was_exchanging_is_fetched_again(house, connect):
    version = house.deploy(Adding(1.0))
    house.serving.publish()
    shutil.rmtree(house.home / "serving" / "models" / version.id)  # gone, and the other not yet in its place
    group = WorkerGroup(house.home, Settings(), port=0, workers=1)
    house.groups.append(group)
    group.start()
    until(lambda: any(worker.failures for worker in house.serving.status().workers))
    until(lambda: house.serving.publish() and group.ready(), look=group.look)
    client = connect(group)
    until(lambda: house.serving.publish() and client.infer([1.0, 2.0]).status == 200)
    assert value_of(client.infer([1.0, 2.0])) == 4.0


def test_a_worker_that_starts_anew_serves_what_can_be_loaded(house, connect):
    good = house.deploy(Adding(1.0))
    bad = house.register(Adding(2.0))
    house.serving.set_route("surge", {good.id: 50.0, bad.id: 50.0})
    (file,) = (path for path in (house.home / "serving" / "models" / bad.id / "files").iterdir())
    file.unlink()
    client = connect(house.start())
    assert {client.infer([1.0, 2.0]).json["model_version"] for _ in range(20)} == {"1"}
    assert client.request("GET", "/v2/health/ready").status == 200
    assert not house.serving.status().applied
