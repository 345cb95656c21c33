"""A home with real workers, and clients that are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serving.house import Client, House, open_house

from tidewheel.serving import WorkerGroup


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def connect() -> Iterator[Callable[[WorkerGroup], Client]]:
    clients: list[Client] = []

    def open_client(group: WorkerGroup) -> Client:
        clients.append(Client(group))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()
