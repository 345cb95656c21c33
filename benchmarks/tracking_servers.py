"""The two servers that `bench_tracking` compares, each as a real process with a database of its own.

MLflow gets an environment of its own under the cache folder, made once by pip and used again. It runs as
`mlflow server` does by default (uvicorn, 4 workers, artifacts proxied to a local folder), but for what its settings
offer to switch off and what would only slow it down here: telemetry, and the runners of background jobs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.process_tree import cpu_s, end_tree

_START_S = 120
MLFLOW_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
FIRST_ANSWER = "/api/2.0/mlflow/experiments/search?max_results=10"


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    started_s: float
    start_cpu_s: float
    """Processor time of its processes until they had answered."""

    def cpu_s(self) -> float:
        """Processor time of its processes so far."""
        return cpu_s(self.process.pid)


def mlflow_python() -> Path:
    """The Python of the peer's environment, which is made if it is not there: same version as the client here."""
    wanted = version("mlflow")
    cache = Path(os.environ.get("TIDEWHEEL_BENCH_CACHE") or Path.home() / ".cache" / "tidewheel-bench")
    folder = cache / f"mlflow-{wanted}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing mlflow {wanted} into {folder} (once)", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        packages = [f"mlflow=={wanted}", "psycopg2-binary"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "complete").touch()
    return python


@contextmanager
def mlflow_server(folder: Path, database: str, settings: dict[str, str] = MLFLOW_SETTINGS) -> Iterator[Server]:
    """`mlflow server` over a database, with its defaults."""
    port = free_port()
    command = [str(mlflow_python()), "-m", "mlflow", "server", "--port", str(port)]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    with running("mlflow", command, port, folder, settings | {"MLFLOW_DISABLE_TELEMETRY": "true"}) as server:
        yield server


@contextmanager
def tidewheel_server(folder: Path, database: str | None) -> Iterator[Server]:
    """`python -m tidewheel.server` over a database, SQLite in its home if none is named."""
    port = free_port()
    command = [sys.executable, "-m", "tidewheel.server", "--home", str(folder / "home"), "--port", str(port)]
    settings = {"TIDEWHEEL_STORAGE_METADATA_URL": database} if database else {}
    with running("tidewheel", command, port, folder, settings) as server:
        yield server


@contextmanager
def running(name: str, command: list[str], port: int, folder: Path, settings: dict[str, str]) -> Iterator[Server]:
    """A server process from its start until it has answered, and to its end with all it started."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TIDEWHEEL_", "MLFLOW_"))}
    with (folder / "server.log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=environment | settings, start_new_session=True
        )
    try:
        _wait(url + FIRST_ANSWER, process, folder / "server.log")
        yield Server(name, url, process, time.perf_counter() - began, cpu_s(process.pid))
    finally:
        end_tree(process, within_s=10)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(Request(address), timeout=30) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.005)
    raise RuntimeError(f"{process.args} did not start:\n{log.read_text()[-3000:]}")
