"""The platform's time: replayed in a mapped file, or the machine's."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tidewheel.base.clock import ReplayClock, SystemClock, as_of, clock_at, pinned_as_of

START = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)


def test_a_home_without_a_clock_file_runs_on_the_machines_clock(tmp_path):
    clock = clock_at(tmp_path / "clock")
    assert isinstance(clock, SystemClock)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_another_process_sees_a_replay_clock_move(tmp_path):
    clock = ReplayClock(tmp_path / "clock", START)
    script = (
        "import sys; from pathlib import Path; from tidewheel.base.clock import clock_at;"
        f"clock = clock_at(Path({str(tmp_path / 'clock')!r}));"
        "print(clock.now().isoformat(), flush=True); sys.stdin.readline(); print(clock.now().isoformat())"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as reader:
        assert reader.stdout.readline().strip() == START.isoformat()
        clock.advance_to(START + timedelta(hours=2))
        answer, _ = reader.communicate("go\n", timeout=20)
    assert answer.strip() == (START + timedelta(hours=2)).isoformat()


def test_time_does_not_run_backwards(tmp_path):
    clock = ReplayClock(tmp_path / "clock", START)
    clock.advance_to(START - timedelta(days=1))
    assert clock.now() == START


def test_as_of_pins_an_instant_for_its_block_only():
    assert pinned_as_of() is None
    with pytest.raises(ZeroDivisionError), as_of(START):
        assert pinned_as_of() == START
        _ = 1 / 0
    assert pinned_as_of() is None
