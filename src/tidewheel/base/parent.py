"""Ends a process when the one that started it is gone, however it went, so that `kill -9` of a supervisor leaves
nothing.

Linux tells a child by signal (prctl(2), PR_SET_PDEATHSIG); elsewhere a thread looks at the parent's id once a second.
The child gets SIGTERM, and so ends as it would on any other day: with its work drained. A parent that is killed while
its child is still importing is missed by both; so the parent's id is handed down in the environment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_VARIABLE = "TIDEWHEEL_PARENT_PID"


def as_parent() -> dict[str, str]:
    """What a parent adds to the environment of a child that will call `exit_with_parent`."""
    return {_VARIABLE: str(os.getpid())}


def exit_with_parent() -> None:
    """From now on this process gets SIGTERM when its parent dies. Call it from the main thread, at the start."""
    parent = int(os.environ.pop(_VARIABLE, os.getppid()))  # taken out: it is not the parent of our own children
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask to be told
            os.kill(os.getpid(), signal.SIGTERM)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
