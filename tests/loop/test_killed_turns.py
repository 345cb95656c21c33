"""A controller is killed at every write of a turn; the next one makes it one turn, one training, one promotion."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.loop.killed_turns import LOOP

from tidewheel.app import open_platform
from tidewheel.loop import TurnState
from tidewheel.storage.journal import verify_chain


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_anywhere_in_a_turn_the_next_controller_ends_it_as_if_nothing_had_been(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.loop.killed_turns", str(tmp_path / "out")],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    points = int(done.stdout)
    assert points >= 10  # begun, queued, gathered, trained, rolled out, routed, judged, promoted, routed, ended
    for point in range(1, points + 2):  # the last was left in peace
        check(tmp_path / "out" / str(point) / "home")


def check(home: Path) -> None:
    """One turn beside the first, and one of everything that a turn makes."""
    with open_platform(home) as platform:
        turns = platform.loop.history(LOOP)
        assert [turn.state for turn in turns] == [TurnState.PROMOTED] * 2
        assert len(platform.pipelines.runs()) == 2
        assert len(platform.registry.versions("m")) == 2
        (rollout,) = platform.rollout.ls(LOOP)
        assert rollout.id == turns[0].rollout_id
        assert [str(each.move) for each in platform.rollout.decisions(rollout.id)] == ["promote"]
        assert platform.serving.route(LOOP).weights == {turns[0].candidate: 100.0}
        assert platform.registry.find("models:/m@champion").id == turns[0].candidate
        with platform.metadata.read() as connection:
            assert verify_chain(connection)[1] is None
