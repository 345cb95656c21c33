"""Real MLflow stores for these tests, filled by MLflow's client in a process of its own; the import of them.

MLflow takes seconds to load, so most tests import within their own process, which loads it once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tidewheel.app import open_platform
from tidewheel.migrate import Options, Report, import_mlflow

FOLDER = Path(__file__).parent
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true", "GIT_PYTHON_REFRESH": "quiet"}


class Brought(NamedTuple):
    """An import that was made: the report of the command, and where it wrote."""

    report: dict[str, Any]
    home: Path


def fill(uri: str, folder: Path, *options: str, **environment: str) -> None:
    """Fill the store at `uri`; relative artifacts land below `folder`."""
    run_script("fill_store.py", folder, uri, str(folder / "filled.json"), *options, **environment)


def dump(uri: str, out: Path, *options: str) -> dict[str, Any]:
    """All that the client reads at `uri`."""
    run_script("dump_store.py", out.parent, uri, str(out), *options)
    told: dict[str, Any] = json.loads(out.read_text())
    return told


def run_script(name: str, folder: Path, *words: str, **environment: str) -> None:
    """Run a program of this folder with MLflow's client."""
    command = [sys.executable, "-W", "ignore", str(FOLDER / name), *words]
    settings = os.environ | QUIET | {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"} | environment
    ran = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=110)
    assert ran.returncode == 0, ran.stderr[-2000:]


def command(source: str, home: Path, *options: str) -> list[str]:
    """The words of an import."""
    words = [sys.executable, "-m", "tidewheel.cli", "import", "mlflow", "--from", source, "--home", str(home), "--json"]
    return [*words, *options]


def bring(source: str, home: Path, *options: str) -> dict[str, Any]:
    """Import by the command and return its report."""
    ran = subprocess.run(command(source, home, *options), capture_output=True, text=True, timeout=110)
    assert ran.stdout, ran.stderr[-2000:]
    told: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == (1 if told.get("differences") else 0) or "error" in told
    return told


def bring_here(source: str | Path, home: Path, **options: Any) -> Report:
    """Import within this process."""
    with open_platform(home) as platform:
        return import_mlflow(platform, str(source), Options(**options))


def rows(store: Path, words: str, *values: object) -> list[tuple[Any, ...]]:
    """What an SQLite file answers."""
    with closing(sqlite3.connect(store)) as database:
        return database.execute(words, values).fetchall()


def write(store: Path, words: str, *values: object) -> None:
    """Change an SQLite file."""
    with closing(sqlite3.connect(store)) as database, database:
        database.execute(words, values)
