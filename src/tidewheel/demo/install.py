"""A fresh install for a demonstration: its own home, a replay clock, and the processes that `tidewheel up` starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tidewheel.app import Platform, open_platform
from tidewheel.base.clock import ReplayClock
from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings
from tidewheel.supervisor import Addresses, Supervisor, addresses_of

_MARKER = "made-by-tidewheel-demo"


@dataclass(slots=True)
class Install:
    """One install that is up. `look_after` must be called now and then, as a supervisor would."""

    home: Path
    platform: Platform
    supervisor: Supervisor
    clock: ReplayClock

    @property
    def addresses(self) -> Addresses:
        """Where it answers."""
        return self.supervisor.addresses

    def look_after(self) -> list[str]:
        """Start again whatever has died; a sentence for each."""
        return self.supervisor.look()


@contextmanager
def fresh_install(home: Path, project: Path, starts_at: datetime, settings: Settings) -> Iterator[Install]:
    """Bring up `project` in an empty home whose time is replayed from `starts_at`; drain it at the end.

    Raises:
        Conflict: if the home is up, or holds something that no demonstration made.
    """
    if addresses_of(home) is not None:
        raise Conflict(f"The home {home} is up.", fix="Stop it, or give another --home.")
    _empty(home)
    clock = ReplayClock(home / "clock", starts_at)
    supervisor = Supervisor(home, project, settings)
    with open_platform(home, settings) as platform:
        supervisor.start()
        try:
            supervisor.wait_until_ready()
            yield Install(home, platform, supervisor, clock)
        finally:
            supervisor.stop()


def _empty(home: Path) -> None:
    if home.exists() and any(home.iterdir()):
        if not (home / _MARKER).exists():
            raise Conflict(f"{home} holds something else than a demonstration.", fix="Give another --home.")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / _MARKER).touch()
