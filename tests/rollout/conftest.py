"""The town in which rollouts are tried."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rollout.town import Town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    town.open_for_business()
    yield town
    town.close()
