"""A real control plane for MLflow's client, and programs that use it as their owners would run them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.ports import free_ports

PROGRAMS = Path(__file__).parent / "programs"
_DEADLINE_S = 30.0


@contextmanager
def server(home: Path, settings: dict[str, str] | None = None) -> Iterator[str]:
    """The address of `python -m tidewheel.server` over a home folder."""
    port = free_ports()
    command = [sys.executable, "-m", "tidewheel.server", "--home", str(home), "--port", str(port)]
    with (home.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | (settings or {}))
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, home.parent / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_DEADLINE_S)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the first answer."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.02)
    raise AssertionError(f"not ready: {log.read_text()}")


def run_program(name: str, url: str, folder: Path, **environment: str) -> None:
    """Run a program against a server; it prints `done` when it came to its end."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "TIDEWHEEL_"))}
    settings = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "PYTHONWARNINGS": "ignore",
    }
    told = subprocess.run(
        [sys.executable, str(PROGRAMS / f"{name}.py")],
        cwd=folder,
        env=kept | settings | environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert told.returncode == 0, f"{told.stdout[-2000:]}\n{told.stderr[-4000:]}"
    assert told.stdout.rstrip().endswith("done")
