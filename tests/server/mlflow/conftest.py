"""A client of the control plane, which answers on a socket of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.server.listening import listening

from tidewheel.app import Platform
from tidewheel.server.app import build


@pytest.fixture
def http(platform: Platform) -> Iterator[httpx.Client]:
    with listening(build(platform)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client
