"""Which process began a run, told as on no other machine, in no other container, on no other day; and is it gone?

The SDK leaves it in a tag; `Tracking.end_abandoned` and `tidewheel runs show` look whether the process lives. What
cannot be known from here (another machine, another container, a system without /proc) is None, never a guess.
"""

from __future__ import annotations

import os
from pathlib import Path

PROCESS_TAG = "tidewheel.process"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def process_identity() -> str:
    """This process: boot, container's process numbers, number, and when it began; empty where that cannot be told."""
    here, began = _here(), _began(os.getpid())
    return f"{here}/{os.getpid()}/{began}" if here and began else ""


def process_is_gone(identity: str) -> bool | None:
    """Whether the process has ended; None if it cannot be seen from here."""
    here, _, rest = identity.rpartition("/")[0].rpartition("/")
    if not here or here != _here() or not rest.isdigit():
        return None
    return _began(int(rest)) != identity.rpartition("/")[2]


def _here() -> str:
    """This boot of this machine, and the namespace in which process numbers are counted."""
    try:
        return f"{_BOOT.read_text().strip()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, in ticks since the boot; empty if there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
