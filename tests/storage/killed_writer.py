"""A writer of the prediction log in a process of its own, killed with SIGKILL while it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def last_acknowledged(program: str, folder: Path, kill_after: int) -> int:
    """Run `program` on a log's folder until it has printed the number `kill_after`; the last number that it printed."""
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == kill_after:
                os.kill(process.pid, signal.SIGKILL)
                break
        return [kill_after, *map(int, process.stdout.read().split())][-1]
