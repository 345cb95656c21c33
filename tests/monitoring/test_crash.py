"""`kill -9` of the process that runs the monitors: every record of the log has counted once in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.monitoring.test_counting import looks
from tests.monitoring.town import HOUR_US, STARTS_AT, Town, traffic

from tidewheel.base.units import from_us, to_us

HOURS, KILLS = 12, 4


@pytest.mark.crash
def test_every_prediction_and_label_counts_once_whatever_is_killed(sqlite_town: Town, tmp_path: Path) -> None:
    town, rows, luck = sqlite_town, traffic(11, hours=HOURS, per_hour=400), random.Random(3)
    town.open(per_hour=40)
    start = to_us(STARTS_AT)
    edges = [start + place * HOURS * HOUR_US // (KILLS + 1) for place in range(KILLS + 2)]
    for since, until in pairwise(edges):
        command = [sys.executable, "-m", "tests.monitoring.counting", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for part in pairwise(range(since, until + 1, (until - since) // 8)):
                town.send(rows.between(*part))
                town.clock.advance_to(from_us(part[1]))
                if luck.random() < 0.3:
                    break
            town.send(rows.between(part[1], until))
            os.kill(process.pid, signal.SIGKILL)
        town.clock.advance_to(from_us(until))
    town.monitoring.run()
    town.monitoring.run()
    assert town.counted().tolist() == [len(rows.at_us)] * 6
    assert town.seen() == town.seen("concept_drift(log_loss)") == len(rows.at_us)
    again = town.controller()
    again.run()
    assert looks(again) == looks(town.monitoring)
