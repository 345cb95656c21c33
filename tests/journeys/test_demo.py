"""`tidewheel demo --fast`, whole: real processes, real HTTP, the summary and the exit code that a script would see."""

from pathlib import Path

import pytest
from tests.crash.install import processes_of
from tests.journeys.programs import answer_of, tidewheel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DEMO = ("demo", "--fast", "--no-browser", "--json", "--port", "0", "--home", "demo")


def test_the_shift_ends_in_a_promoted_model_and_the_bad_candidate_is_rolled_back(tmp_path: Path) -> None:
    ended = tidewheel(tmp_path, *DEMO)
    told = answer_of(ended)
    assert ended.returncode == 0, ended.stderr
    assert (told["lost"], told["first_loss"]) == (0, "")
    assert told["promoted_at"] is not None
    assert told["gain"] > 0.05
    assert told["bad_candidate"] == "rolled_back"
    assert told["alerts"] >= 1
    check_left_behind(tmp_path)
    lineage = tidewheel(tmp_path, "lineage", f"version:{told['promoted_version']}", "--home", "demo")
    assert lineage.returncode == 0
    assert "commit:rides@" in lineage.stdout


def test_without_a_shift_nothing_happens(tmp_path: Path) -> None:
    ended = tidewheel(tmp_path, *DEMO, "--no-shift")
    told = answer_of(ended)
    assert ended.returncode == 0, ended.stderr
    assert (told["lost"], told["alerts"], told["turns"]) == (0, 0, 1)
    assert told["requests"] > 30_000
    check_left_behind(tmp_path)


def check_left_behind(folder: Path) -> None:
    """A home whose journal holds, and no process."""
    assert processes_of(folder / "demo") == {}
    verified = tidewheel(folder, "audit", "verify", "--home", "demo")
    assert verified.returncode == 0, verified.stdout + verified.stderr
