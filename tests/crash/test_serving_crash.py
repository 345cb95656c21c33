"""`kill -9` of inference workers under load: what was acknowledged is in the log."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.serving.house import Client, House, open_house, until
from tests.serving.models import Adding


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(tmp_path)
    yield opened
    opened.close()


class Riders(threading.Thread):
    """Asks, labels what was answered, connects again when cut off, and remembers what was acknowledged."""

    def __init__(self, house: House, name: str, stopping: threading.Event) -> None:
        super().__init__(name=name)
        self.house, self.stopping = house, stopping
        self.predicted: dict[str, float] = {}
        self.labelled: set[str] = set()

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            try:
                with closing(Client(self.house.groups[0])) as client:
                    while not self.stopping.is_set():
                        number += 1
                        self._ask(client, f"{self.name}-{number}", float(number))
            except (ConnectionError, TimeoutError):
                self.stopping.wait(0.005)

    def _ask(self, client: Client, request_id: str, value: float) -> None:
        answer = client.infer([value, 0.0], id=request_id)
        assert answer.status == 200
        self.predicted[request_id] = answer.json["outputs"][0]["data"][0]
        label = {"labels": [{"id": request_id, "values": {"accepted": 1.0}}]}
        if client.request("POST", "/api/v1/serving/labels", label).status == 200:
            self.labelled.add(request_id)


@pytest.mark.crash
def test_killing_workers_at_random_loses_no_acknowledged_prediction_or_label(house: House) -> None:
    house.deploy(Adding(1.0))
    group = house.start(workers=2)
    stopping = threading.Event()
    riders = [Riders(house, f"r{number}", stopping) for number in range(3)]
    for rider in riders:
        rider.start()
    chance, deadline, kills = random.Random(5), time.monotonic() + 4, 0
    while time.monotonic() < deadline:
        group.look()
        if group.pids and chance.random() < 0.15:
            os.kill(chance.choice(list(group.pids.values())), signal.SIGKILL)
            kills += 1
        stopping.wait(0.05)
    stopping.set()
    for rider in riders:
        rider.join(20)
        assert not rider.is_alive()
    predictions, labels = house.records()
    logged = {each.id: each.output_values()[0] for each in predictions}
    predicted = {key: value for rider in riders for key, value in rider.predicted.items()}
    labelled = {each for rider in riders for each in rider.labelled}
    assert kills >= 3
    assert len(predicted) > 200
    assert {key: logged.get(key) for key in predicted} == predicted
    assert labelled <= {label.id for label in labels}
    assert len(house.log.find(sorted(labelled))) == len(labelled)


@pytest.mark.crash
def test_workers_serve_on_without_database_and_blobs(house: House) -> None:
    house.deploy(Adding(1.0))
    house.metadata.close()
    for path in [*house.home.glob("metadata.db*"), *(house.home / "blobs").rglob("*")]:
        if path.is_file():
            path.unlink()
    group = house.start()
    with closing(Client(group)) as client:
        assert client.infer([1.0, 2.0]).status == 200
    killed = group.pids
    os.kill(killed[0], signal.SIGKILL)
    until(lambda: group.look() is not None and group.ready() and group.pids != killed)
    with closing(Client(group)) as again:
        assert again.infer([1.0, 2.0]).status == 200
