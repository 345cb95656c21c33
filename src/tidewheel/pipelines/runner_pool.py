"""The runners of one process: one a project, started when first needed and kept warm for the next run.

Used by `Pipelines.spawn` and `Pipelines.revive`. A runner that dies is forgotten here; its runs are resumed by `revive`
once their leases have lapsed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from tidewheel.pipelines.executor import ExecutorLost
from tidewheel.pipelines.local_processes import LocalProcesses


class RunnerPool:
    """Runners by project. Safe to share between threads."""

    def __init__(self, launch: Callable[[Path], LocalProcesses]) -> None:
        self._launch = launch
        self._runners: dict[Path, LocalProcesses] = {}
        self._driven: dict[str, Path] = {}
        self._lock = threading.Lock()

    def warm(self, project: Path) -> None:
        """Have a runner import a project, so that the first run does not wait for it."""
        with self._lock:
            self._runner(project)

    def drive(self, run_id: str, project: Path) -> None:
        """Have a driver begin a run, unless one of ours is at it."""
        with self._lock:
            if run_id in self._driven:
                return
            try:
                self._runner(project).drive(run_id)
            except ExecutorLost:  # it died since we looked; a fresh one will do
                self._forget(project)
                self._runner(project).drive(run_id)
            self._driven[run_id] = project

    def collect(self) -> None:
        """Hear which drivers have ended and which runners are gone."""
        with self._lock:
            for project, runner in list(self._runners.items()):
                try:
                    for ended in runner.exits(0.0):
                        self._driven.pop(ended.id, None)
                except ExecutorLost:
                    self._forget(project)

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

    def _forget(self, project: Path) -> None:
        runner = self._runners.pop(project, None)
        self._driven = {run_id: at for run_id, at in self._driven.items() if at != project}
        if runner is not None:
            runner.close()
