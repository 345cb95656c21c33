"""Kills a real process at every deed of pruning: `python -m tests.serving.killed_prune PREPARED OUT`.

For the k-th deed (a rename, or the removal of a file or folder) the prepared folder `<home>/serving` is copied below
OUT/k, and a forked process prunes there until it sends itself SIGKILL just before that deed. Prints how many deeds
there were; the last copy is of a process that was left in peace.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from tidewheel.serving.prune import prune
from tidewheel.serving.snapshot import ServingFolder

_DEEDS = ("os.rename", "os.remove", "os.rmdir")


def prune_until(home: Path, deed: int) -> None:
    left = deed

    def count(event: str, _: Any) -> None:
        nonlocal left
        if event in _DEEDS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    prune(ServingFolder(home), 1e-9)


def main(prepared: Path, out: Path) -> None:
    for deed in range(1, 200):
        home = out / str(deed)
        shutil.copytree(prepared, home / "serving")
        child = os.fork()
        if child == 0:
            prune_until(home, deed)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(deed)
            return
    raise SystemExit("pruning does not end")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
