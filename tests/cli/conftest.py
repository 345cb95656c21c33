"""Commands in a folder and over HTTP alike: a test's own `install` is the platform that they meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.listening import listening

from tidewheel.app import Platform
from tidewheel.server.app import build


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(params=["folder", "address"])
def where(request: pytest.FixtureRequest, install: Platform, home: Path) -> Iterator[list[str]]:
    """The options that say which install: its folder, or its control plane's address."""
    if request.param == "folder":
        yield ["--home", str(home)]
        return
    with listening(build(install)) as url:
        yield ["--url", url]
