"""What a fork of the runner does: open the platform, then drive one pipeline run or execute one step.

Both are thin: everything that matters is `Pipelines.execute` and `Pipelines.run_step`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from tidewheel.base import ambient
from tidewheel.pipelines.channel import Channel
from tidewheel.pipelines.local_processes import LocalProcesses
from tidewheel.pipelines.service import Pipelines


def drive(home: Path, opener: str, run_id: str, runner: Channel) -> int:
    """Execute a pipeline run here, with its steps in further forks of the runner. Returns the exit code."""
    with _platform(home, opener) as pipelines:
        return 0 if pipelines.execute(run_id, LocalProcesses(runner)) is not None else 1


def run_step(home: Path, opener: str, step_run_id: str) -> int:
    """Execute one attempt at a step here, its output going to a file beside the home's other logs."""
    folder = home / "pipelines" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with (folder / f"{step_run_id}.log").open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with _platform(home, opener) as pipelines:
        return 0 if pipelines.run_step(step_run_id) else 1


@contextmanager
def _platform(home: Path, opener: str) -> Iterator[Pipelines]:
    module, _, name = opener.partition(":")
    platform = getattr(import_module(module), name)(home)
    try:
        yield ambient.current(Pipelines)
    finally:
        platform.close()
