"""Identifiers: their shape, and that they sort as they were made."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time

import pytest

from tidewheel.base.ids import new_id, ulid


def test_an_id_is_a_prefix_and_a_ulid() -> None:
    assert re.fullmatch(r"run_[0-9a-hjkmnp-tv-z]{26}", new_id("run"))


def test_ids_of_one_millisecond_sort_as_they_were_made() -> None:
    made = [ulid() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_ids_go_on_rising_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now_ns = ulid(), time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns - 3_600 * 10**9)
    made = [before, *(ulid() for _ in range(1_000))]
    assert made == sorted(set(made))


def test_threads_make_different_ids_each_in_order() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(ulid() for _ in range(5_000))) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({one for mine in made for one in mine}) == 20_000


_FORK = """
import os
from tidewheel.base.ids import ulid
first = ulid()
if os.fork() == 0:
    os.write(1, "".join(ulid() + "\\n" for _ in range(2_000)).encode())
    os._exit(0)
mine = "".join(ulid() + "\\n" for _ in range(2_000))
os.wait()
os.write(1, mine.encode())
"""


def test_a_forked_child_makes_other_ids_than_its_parent() -> None:
    made = subprocess.run([sys.executable, "-c", _FORK], check=True, capture_output=True, text=True).stdout.split()
    assert len(set(made)) == len(made) == 4_000
