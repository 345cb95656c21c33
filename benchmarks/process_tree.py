"""A process and all it started: what they cost so far, read from /proc, and how they end together."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """A process and its descendants that live."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found.extend(parents.get(process, ()))
    return found


def end_tree(process: subprocess.Popen[bytes], within_s: float) -> None:
    """End a process that was started here, and all it started: its workers, once orphaned, would go on."""
    started = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for each in started[1:]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def cpu_s(root: int) -> float:
    """Processor seconds of the tree, ended children of living processes with it."""
    return sum(sum(int(each) for each in fields[11:15]) for p in tree(root) if (fields := _stat(p))) * _TICK_S


def memory_mb(root: int) -> tuple[float, float]:
    """RSS of the tree (pages that processes share are counted in each) and PSS (they are counted once)."""
    rss = pss = 0
    for process in tree(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
        rss, pss = rss + sizes["Rss"], pss + sizes["Pss"]
    return rss / 1024, pss / 1024


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (state, ppid, ...); none if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
