"""What a run runs on: Python, packages with versions, processor, memory, GPUs. Read once a process.

GPUs are asked of `nvidia-smi` if that is there; this has been tried without a GPU only.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_TIMEOUT_S = 5.0


@functools.cache
def describe() -> dict[str, Any]:
    """Python, packages, platform and hardware, as JSON."""
    return {
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "packages": packages(),
        "platform": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "hardware": {"cpu": _processor(), "cores": os.cpu_count(), "memory_bytes": _memory_bytes(), "gpus": _gpus()},
    }


@functools.cache
def packages() -> dict[str, str]:
    """Installed distributions and their versions, as Python finds them; a local project is given by its folder too."""
    found: dict[str, str] = {}
    for path in sys.path:
        folder = Path(path or ".")
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir()):
            name, version = _name_and_version(entry.name)
            if name and name not in found:
                found[name] = version
    return dict(sorted(found.items())) or _slowly()


def _name_and_version(entry: str) -> tuple[str, str]:
    """From `numpy-2.1.0.dist-info`: the name of the folder tells it, so no file need be opened."""
    stem, dot, ending = entry.rpartition(".")
    if not dot or ending != "dist-info":
        return "", ""
    name, _, version = stem.rpartition("-")
    return name.replace("_", "-").lower(), version


def _slowly() -> dict[str, str]:
    """By opening every package's metadata, where their folders are named otherwise."""
    return {item.name.lower(): item.version for item in metadata.distributions() if item.name}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _gpus() -> list[dict[str, str]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = "name,memory.total,driver_version"
    try:
        answer = subprocess.run(
            [program, f"--query-gpu={asked}", "--format=csv,noheader"], capture_output=True, text=True,
            timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    names = ("name", "memory", "driver")
    return [dict(zip(names, map(str.strip, line.split(",")), strict=False)) for line in answer.stdout.splitlines()]
