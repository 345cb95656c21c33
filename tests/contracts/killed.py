"""Runs a writer in a process of its own and kills it with SIGKILL in the middle of its work.

The writer prints the number of each write once the store has acknowledged it; what was read here was acknowledged.
"""

import os
import signal
import subprocess
import sys


def acknowledged_before_kill(program: str, *arguments: str, writes: int) -> int:
    """Run `program`, kill it after it has acknowledged `writes` writes, and return the last number acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    ) as writer:
        assert writer.stdout is not None
        last = -1
        for line in writer.stdout:
            last = int(line)
            if last >= writes:
                writer.send_signal(signal.SIGKILL)
                break
        rest = writer.stdout.read().split()
    assert writer.returncode == -signal.SIGKILL
    return max([last, *(int(number) for number in rest[:-1])])
