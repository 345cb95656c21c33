"""`tidewheel init`, `tidewheel up project.py`, traffic: a project of one's own turns its loop, in real time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.install import Install, installed
from tests.journeys.programs import tidewheel

from tidewheel.app import Platform, open_platform
from tidewheel.loop import Turn, TurnState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LOOP = ENDPOINT = "delivery"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tidewheel(tmp_path, "init", "my-project")
    assert made.returncode == 0, made.stderr
    return tmp_path / "my-project"


@pytest.fixture
def install(project: Path) -> Iterator[Install]:
    with installed(project / ".tidewheel", project / "project.py") as install:
        yield install


def test_a_shift_in_its_own_traffic_ends_in_a_promoted_model(project: Path, install: Install) -> None:
    with open_platform(install.home) as platform:
        first = wait_for_turn(platform, 1, within_s=90)
        assert (first.state, first.outcome) == (TurnState.PROMOTED, "the first champion")
        traffic = subprocess.Popen(
            [sys.executable, str(project / "traffic.py"), "--shift", "--seconds", "240", "--home", str(install.home)],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            second = wait_for_turn(platform, 2, within_s=200)
        finally:
            traffic.terminate()
            _, said = traffic.communicate()
        assert second.state is TurnState.PROMOTED, second
        assert platform.serving.champion(ENDPOINT) == second.candidate != first.candidate
        assert b"Error" not in said, said.decode()


def wait_for_turn(platform: Platform, number: int, within_s: float) -> Turn:
    """The turn of a number, once it has ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        known = {each.name for each in platform.loop.ls()}
        turns = platform.loop.history(LOOP)[::-1] if LOOP in known else []
        if len(turns) >= number and turns[number - 1].ended_at is not None:
            return turns[number - 1]
        time.sleep(0.1)
    raise AssertionError(f"turn {number} has not ended within {within_s:.0f} s: {turns[-1:]}")
