"""`tidewheel` as a person runs it: a program with an exit code, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def tidewheel(folder: Path, *arguments: str, within_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = [sys.executable, "-m", "tidewheel.cli", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=within_s)


def answer_of(ended: subprocess.CompletedProcess[str]) -> Any:
    """What it said with `--json`."""
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout)
