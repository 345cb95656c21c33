"""The controller process: rounds of upkeep by whichever controller holds the lease; a second one waits to take over.

`python -m tidewheel.controller --home H [--project P]`. Each round, in the order in which facts flow: publish what
should be served, fold what was logged into rollouts and monitors, turn the loops, revive pipeline runs, keep stores
tidy. A room that fails is reported and tried again next round; it never keeps the others from their work.
"""

from __future__ import annotations

import argparse
import math
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
from tidewheel.supervisor import PROJECT_TROUBLE

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

    def __init__(self, platform: Platform, project: Path | None = None) -> None:
        self._leases = platform.leases
        self._tick_s = platform.settings.get("controller.tick_ms", int) / 1000
        self._lease_s = platform.settings.get("controller.lease_s", float)
        self._stopping = threading.Event()
        self._chores = chores(platform, project)
        self._lease: Lease | None = None
        self._renew_at = 0.0

    def stop(self, *_signal: object) -> None:
        """End after the round under way."""
        self._stopping.set()

    def run(self) -> None:
        """Make rounds while leading; while another leads, wait to take over."""
        while not self._stopping.is_set():
            self.round()
            self._stopping.wait(self._tick_s)
        if self._lease is not None:
            self._leases.release(self._lease)

    def round(self) -> None:
        """Every chore that is due, one after the other, for as long as this controller leads."""
        for chore in self._chores:
            if self._stopping.is_set() or not self._leads():
                return
            chore.run()

    def _leads(self) -> bool:
        """Whether this controller leads now: it takes a lease that is free, and renews its own when that is due."""
        if self._lease is not None and time.monotonic() < self._renew_at:
            return True
        try:
            if self._lease is not None and not self._leases.renew(self._lease, self._lease_s):
                self._lease = None
            elif self._lease is None:
                self._lease = self._leases.acquire(_LEASE, self._lease_s)
        except Exception as error:  # whatever a database that is gone raises
            print(f"controller: its lease could not be had: {error}", file=sys.stderr, flush=True)
            return False
        self._renew_at = time.monotonic() + self._lease_s / 3
        return self._lease is not None


def chores(platform: Platform, project: Path | None = None) -> list[Chore]:
    """What a round does, in order; the project is declared once, as soon as that succeeds."""
    declaring = [Chore("loop.declare", lambda: declare(platform, project), every_s=math.inf)] if project else []
    return [
        *declaring,
        Chore("serving.publish", platform.serving.publish),
        Chore("rollout.tick", platform.rollout.tick),
        Chore("monitoring.run", platform.monitoring.run),
        Chore("loop.tick", platform.loop.tick),
        Chore("pipelines.revive", platform.pipelines.revive),
        Chore("webhooks.deliver", platform.webhooks.deliver),
        Chore("tracking.end_abandoned", platform.tracking.end_abandoned, every_s=10.0),
        Chore("features.materialize", platform.features.materialize_all, every_s=5.0),
        Chore("costs.meter", lambda: platform.costs.meter(platform.serving.status()), every_s=5.0),
        Chore("predictions.compact", lambda: platform.predictions.compact(platform.clock.now()), every_s=30.0),
        Chore("predictions.expire", platform.predictions.expire, every_s=30.0),
        Chore("predictions.forget", lambda: platform.predictions.forget(platform.clock.now()), every_s=3600.0),
    ]


def declare(platform: Platform, project: Path) -> None:
    """Make what a project file declares known, and have a runner at hand for its pipelines.

    Why it cannot be declared is written where the supervisor, and so the person who started it, sees it.
    """
    trouble = platform.home / PROJECT_TROUBLE
    try:
        declared = platform.loop.declare(project)
    except Exception as error:
        trouble.write_text(f"The project is not declared; what was declared before goes on. {error}")
        raise
    if declared:
        trouble.unlink(missing_ok=True)
    else:
        trouble.write_text(f"{project} declares no loop, so there is nothing to do. `tidewheel init DIR` shows one.")
    platform.pipelines.warm(project)


def main() -> None:
    """Run one controller until SIGTERM, or until its supervisor is gone."""
    parser = argparse.ArgumentParser(prog="tidewheel controller")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--project", type=Path)
    arguments = parser.parse_args()
    exit_with_parent()
    with open_platform(arguments.home) as platform:
        controller = Controller(platform, arguments.project)
        signal.signal(signal.SIGTERM, controller.stop)
        signal.signal(signal.SIGINT, controller.stop)
        controller.run()


if __name__ == "__main__":
    main()
