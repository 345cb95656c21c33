"""A real platform in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidewheel.app import Platform, open_platform
from tidewheel.base.settings import Settings


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with open_platform(tmp_path / "home", Settings(environ={})) as platform:
        yield platform
