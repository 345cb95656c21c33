"""Runs monitors in a loop, to be killed: `python -m tests.monitoring.counting HOME`. Prints a line after each run."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.monitoring.town import Town

from tidewheel.base.clock import ReplayClock
from tidewheel.storage import Metadata, sqlite_url


def main(home: Path) -> None:
    clock = ReplayClock(home / "clock")
    town = Town(Metadata(sqlite_url(home / "metadata.db"), clock), clock, home, name="counting")
    while True:
        town.monitoring.run()
        print("ran", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
