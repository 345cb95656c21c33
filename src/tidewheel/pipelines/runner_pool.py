"""The runners of one process: one a project, started when first needed and kept warm for the next run.

Used by `Pipelines.spawn` and `Pipelines.revive`. A runner that dies is forgotten here; its runs are resumed by `revive`
once their leases have lapsed. One that keeps dying is started again with growing pauses.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tidewheel.pipelines.executor import ExecutorLost
from tidewheel.pipelines.local_processes import LocalProcesses

_LONGEST_PAUSE_S = 30.0


class RunnerPool:
    """Runners by project. Safe to share between threads."""

    def __init__(self, launch: Callable[[Path], LocalProcesses]) -> None:
        self._launch = launch
        self._runners: dict[Path, LocalProcesses] = {}
        self._driven: dict[str, Path] = {}
        self._deaths: Counter[Path] = Counter()
        self._paused_until: dict[Path, float] = {}
        self._lock = threading.Lock()

    def warm(self, project: Path) -> None:
        """Have a runner import a project, so that the first run does not wait for it."""
        with self._lock:
            self._runner(project)

    def drive(self, run_id: str, project: Path) -> None:
        """Have a driver begin a run, unless one of ours is at it or the project's runner has to wait."""
        with self._lock:
            if run_id in self._driven or time.monotonic() < self._paused_until.get(project, 0.0):
                return
            try:
                self._runner(project).drive(run_id)
            except ExecutorLost:  # it died since we looked; a fresh one will do
                self._bury(project)
                self._runner(project).drive(run_id)
            self._driven[run_id] = project

    def collect(self) -> None:
        """Hear which drivers have ended and which runners are gone."""
        with self._lock:
            for project, runner in list(self._runners.items()):
                try:
                    for ended in runner.exits(0.0):
                        self._driven.pop(ended.id, None)
                        self._deaths.pop(project, None)  # it works
                except ExecutorLost:
                    self._bury(project)

    def drives(self, run_id: str) -> bool:
        """Whether a driver of ours is at a run, as far as we have heard."""
        with self._lock:
            return run_id in self._driven

    def close(self) -> None:
        """End all runners, and with them what they run; it is resumed by whoever revives it."""
        with self._lock:
            for project in list(self._runners):
                self._forget(project)

    def _runner(self, project: Path) -> LocalProcesses:
        if project not in self._runners:
            self._runners[project] = self._launch(project)
        return self._runners[project]

    def _bury(self, project: Path) -> None:
        """Forget a runner that has died, and let the project's next one wait."""
        self._forget(project)
        self._deaths[project] += 1
        pause_s = min(0.1 * 2 ** min(self._deaths[project], 20), _LONGEST_PAUSE_S)
        self._paused_until[project] = time.monotonic() + pause_s

    def _forget(self, project: Path) -> None:
        runner = self._runners.pop(project, None)
        self._driven = {run_id: at for run_id, at in self._driven.items() if at != project}
        if runner is not None:
            runner.close()
