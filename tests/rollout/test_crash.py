"""A tick that is killed anywhere is as good as one that was not: the next tick ends where it would have ended."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.town import CANDIDATE, CHAMPION, Behaviour, Town

from tidewheel.rollout import Canary, store
from tidewheel.storage.journal import read_entries, verify_chain

EQUAL = {CHAMPION: Behaviour(), CANDIDATE: Behaviour()}
BROKEN = {CHAMPION: Behaviour(), CANDIDATE: Behaviour(fails=1.0)}
PLANS = {
    "advance": (Canary(shadow=None, steps=(20, 50, 100), goal="accepted", min_per_stage=10), EQUAL),
    "promote": (Canary(shadow=None, steps=(50, 100), min_per_stage=10), EQUAL),
    "rollback": (Canary(shadow=None, steps=(50, 100), min_per_stage=1000), BROKEN),
}


def outcome(home: Path) -> dict[str, Any]:
    """All that matters once the wheel has turned again."""
    town = Town(home)
    town.rollouts.tick()
    (rollout,) = town.rollouts.ls()
    with town.metadata.read() as connection:
        kinds = [entry.kind for entry in read_entries(connection)]
        assert verify_chain(connection)[1] is None
        evidence = [each.to_dict() for each in store.load_evidence(connection, rollout.id)]
    found = {
        "state": (rollout.state, rollout.stage, rollout.settled, [stage.name for stage in rollout.stages]),
        "moves": [(decision.move, decision.reason) for decision in town.rollouts.decisions(rollout.id)],
        "evidence": evidence,
        "routes": [(route.weights, route.shadows) for route in town.traffic.history("surge")],
        "champion": town.aliases.champion,
        "journal": kinds,
    }
    town.close()
    return found


@pytest.mark.crash
@pytest.mark.parametrize("move", PLANS)
def test_a_tick_killed_at_any_point_is_caught_up_with(tmp_path: Path, move: str) -> None:
    plan, behaviours = PLANS[move]
    (tmp_path / "prepared").mkdir()
    town = Town(tmp_path / "prepared")
    town.open_for_business()
    town.rollouts.start("surge", CHAMPION, CANDIDATE, plan)
    town.serve(100, behaviours)
    town.close()
    command = [sys.executable, "-m", "tests.rollout.killed_ticks", str(tmp_path / "prepared"), str(tmp_path)]
    points = int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert points >= 8
    left_in_peace = outcome(tmp_path / str(points + 1))
    assert left_in_peace["moves"][0][0] == move
    for point in range(1, points + 1):
        assert outcome(tmp_path / str(point)) == left_in_peace, f"killed at point {point} of {points}"
