"""The controller process: rounds of upkeep by whichever controller holds the lease; a second one waits to take over.

`python -m tidewheel.controller --home H [--project P]`. Each round, in the order in which facts flow: publish what
should be served, fold what was logged into rollouts and monitors, turn the loops, revive pipeline runs, keep stores
tidy. A room that fails is reported and tried again next round; it never keeps the others from their work.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tidewheel.app import Platform, open_platform
from tidewheel.base.parent import exit_with_parent
from tidewheel.storage import Lease

_LEASE = "controller"


@dataclass(slots=True)
class Chore:
    """One thing that a round does, at most once every `every_s` seconds of the machine's time."""

    name: str
    work: Callable[[], object]
    every_s: float = 0.0
    due: float = 0.0
    failures: int = field(default=0)

    def run(self) -> None:
        """Do the work if it is due. A failure is told to the log, with its traceback the first time in a row."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + self.every_s
        try:
            self.work()
            self.failures = 0
        except Exception as error:
            self.failures += 1
            if self.failures == 1:
                traceback.print_exc()
            print(f"controller: {self.name} failed ({self.failures} in a row): {error}", file=sys.stderr, flush=True)
            self.due = now + min(2.0**self.failures * 0.25, 30.0)


class Controller:
    """Leads by lease and makes rounds until told to stop."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tick_s = platform.settings.get("controller.tick_ms", int) / 1000
        self._lease_s = platform.settings.get("controller.lease_s", float)
        self._stopping = threading.Event()
        self._chores = chores(platform)

    def stop(self, *_signal: object) -> None:
        """End after the round under way."""
        self._stopping.set()

    def run(self) -> None:
        """Make rounds while leading; while another leads, wait to take over."""
        leases, lease = self._platform.leases, None
        renew_at = 0.0
        while not self._stopping.is_set():
            if lease is None:
                lease, renew_at = leases.acquire(_LEASE, self._lease_s), time.monotonic() + self._lease_s / 3
            elif time.monotonic() > renew_at:
                lease = lease if leases.renew(lease, self._lease_s) else None
                renew_at = time.monotonic() + self._lease_s / 3
            if lease is not None:
                self._round()
            self._stopping.wait(self._tick_s)
        self._step_down(lease)

    def _round(self) -> None:
        for chore in self._chores:
            if self._stopping.is_set():
                return
            chore.run()

    def _step_down(self, lease: Lease | None) -> None:
        if lease is not None:
            self._platform.leases.release(lease)


def chores(platform: Platform) -> list[Chore]:
    """What a round does, in order."""
    return [
        Chore("serving.publish", platform.serving.publish),
        Chore("rollout.tick", platform.rollout.tick),
        Chore("monitoring.run", platform.monitoring.run),
        Chore("loop.tick", platform.loop.tick),
        Chore("pipelines.revive", platform.pipelines.revive),
        Chore("features.materialize", platform.features.materialize_all, every_s=5.0),
        Chore("costs.meter", lambda: platform.costs.meter(platform.serving.status()), every_s=5.0),
        Chore("predictions.compact", lambda: platform.predictions.compact(platform.clock.now()), every_s=30.0),
    ]


def main() -> None:
    """Run one controller until SIGTERM, or until its supervisor is gone."""
    parser = argparse.ArgumentParser(prog="tidewheel controller")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--project", type=Path)
    arguments = parser.parse_args()
    exit_with_parent()
    with open_platform(arguments.home) as platform:
        if arguments.project:
            platform.loop.declare(arguments.project)
            platform.pipelines.warm(arguments.project)
        controller = Controller(platform)
        signal.signal(signal.SIGTERM, controller.stop)
        signal.signal(signal.SIGINT, controller.stop)
        controller.run()


if __name__ == "__main__":
    main()
