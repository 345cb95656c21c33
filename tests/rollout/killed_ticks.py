"""Kills a real process at every point of a tick: `python -m tests.rollout.killed_ticks PREPARED OUT`.

For the k-th point (a write begins or commits, an effect is about to be or has been made) the prepared home is
copied to OUT/k, and a forked process ticks there until it sends itself SIGKILL at that point. Prints how many points
there were; the last copy is of a tick that was left in peace.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from tests.rollout.town import Town


class Fate:
    """Counts the points passed and kills the process at the chosen one."""

    def __init__(self, at: int) -> None:
        self._left = at

    def pass_point(self, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def pass_writing(self, connection: Connection) -> None:
        if connection.get_execution_options().get("tidewheel_writes"):
            self.pass_point()

    def around(self, deed: Any) -> Any:
        def doomed(*args: Any, **kwargs: Any) -> Any:
            self.pass_point()
            result = deed(*args, **kwargs)
            self.pass_point()
            return result

        return doomed


def tick(home: Path, at: int) -> None:
    town, fate = Town(home), Fate(at)
    event.listen(town.metadata.engine, "begin", fate.pass_writing)
    event.listen(town.metadata.engine, "commit", fate.pass_point)
    town.traffic.change_route = fate.around(town.traffic.change_route)  # type: ignore[method-assign]
    town.traffic.publish = fate.around(town.traffic.publish)  # type: ignore[method-assign]
    town.aliases.follow = fate.around(town.aliases.follow)  # type: ignore[method-assign]
    town.rollouts.tick()


def main(prepared: Path, out: Path) -> None:
    for point in range(1, 200):
        home = out / str(point)
        shutil.copytree(prepared, home)
        child = os.fork()
        if child == 0:
            tick(home, point)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status) or print(point - 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
