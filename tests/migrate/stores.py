"""Real MLflow stores for these tests, filled by MLflow's client in a process of its own; the import as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true", "GIT_PYTHON_REFRESH": "quiet"}


def fill(uri: str, folder: Path, *options: str) -> None:
    """Fill the store at `uri`; relative artifacts land below `folder`."""
    command = [sys.executable, "-W", "ignore", FOLDER / "fill_store.py", uri, folder / "filled.json", *options]
    ran = subprocess.run(command, cwd=folder, env=os.environ | QUIET, capture_output=True, text=True, timeout=110)
    assert ran.returncode == 0, ran.stderr[-2000:]


def command(source: str, home: Path, *options: str) -> list[str]:
    """The words of an import."""
    words = [sys.executable, "-m", "tidewheel.cli", "import", "mlflow", "--from", source, "--home", str(home), "--json"]
    return [*words, *options]


def bring(source: str, home: Path, *options: str) -> dict[str, Any]:
    """Run an import and return its report."""
    ran = subprocess.run(command(source, home, *options), capture_output=True, text=True, timeout=110)
    assert ran.stdout, ran.stderr[-2000:]
    told: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == (1 if told.get("differences") else 0) or "error" in told
    return told
