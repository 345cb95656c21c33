"""The servers that `bench_serving` compares, each a real process tree on one core, started as its users start it.

Tidewheel is `tidewheel serve` over a home with two versions of one model behind an endpoint (90 and 10 percent), its
prediction log and metrics on. The peers are the small files of `serving_peers/`, tuned as their first lines say. All
run one worker, one thread for the model, on the core `SERVER_CORE`, so that the load has the other ones.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.process_tree import cpu_s, end_tree, memory_mb
from benchmarks.serving_environments import PEERS, model_folder, python_of
from benchmarks.serving_requests import BINARY, GRPC, PROTOCOL, RAW, ROOT, ROWS, Rows, Shape
from benchmarks.tracking_servers import free_port

SERVER_CORE = 0
_START_S = 60
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Server:
    """One that can be compared: where its Python is, its file, what it can be asked, what tunes it."""

    name: str
    environment: str
    script: str
    shapes: Mapping[str, Shape]
    settings: Mapping[str, str] = field(default_factory=dict)
    framework: bool = False
    """Whether it is one of the frameworks whose best the target is about."""


@dataclass(frozen=True, slots=True)
class Running:
    """One that answers now."""

    server: Server
    model: str
    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int

    def cpu_s(self) -> float:
        """Processor seconds of its processes so far."""
        return cpu_s(self.process.pid)

    def memory_mb(self) -> float:
        """Memory of its processes, shared pages counted once."""
        return memory_mb(self.process.pid)[1]


_JSON = {"json-1": ROWS, "json-64": ROWS}
_RAY_TUNED = {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
}
_PROTOCOL = {"json-1": PROTOCOL, "json-64": PROTOCOL, "binary-64": BINARY}
SERVERS = (
    Server("tidewheel", "", "", _PROTOCOL | {"grpc": GRPC}),
    Server("floor", "", "floor_app.py", _PROTOCOL),
    Server("fastapi", "fastapi", "fastapi_app.py", _JSON | {"binary-64": RAW}, framework=True),
    Server("litserve", "litserve", "litserve_app.py", _JSON, framework=True),
    Server("mlserver", "mlserver", "mlserver_app.py", _PROTOCOL | {"grpc": GRPC}, framework=True),
    Server("bentoml", "bentoml", "bentoml_app.py", _JSON, {"BENTOML_DO_NOT_TRACK": "1"}, framework=True),
    Server("ray", "ray", "ray_app.py", dict.fromkeys(_JSON, ROOT), framework=True),
    Server("ray-tuned", "ray", "ray_app.py", dict.fromkeys(_JSON, ROOT), _RAY_TUNED, framework=True),
    Server("grpcio.aio", "grpcio", "grpcio_app.py", {"grpc": GRPC}),
)


@contextmanager
def running(server: Server, home: Path, model: str = "trees", max_batch_rows: int = 1) -> Iterator[Running]:
    """A server that answers with a model, from its start to its end with all it started.

    Raises:
        RuntimeError: if it does not start; with the end of its log.
    """
    port, grpc_port, metrics_port = free_port(), free_port(), free_port()
    command, settings = _command(server, home, port), dict(server.settings)
    settings |= {"BENCH_MODEL": str(model_folder() / f"{model}.onnx"), "BENCH_PORT": str(port)}
    settings |= {"BENCH_GRPC_PORT": str(grpc_port), "BENCH_METRICS_PORT": str(metrics_port)}
    settings |= {"BENCH_MAX_BATCH_ROWS": str(max_batch_rows), "TIDEWHEEL_SERVING_GRPC_PORT": str(grpc_port)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEWHEEL_", "RAY_"))}
    with tempfile.TemporaryDirectory(prefix=f"bench-{server.name}-") as folder:
        log = Path(folder) / "server.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(SERVER_CORE), *command],
                stdout=output,
                stderr=output,
                cwd=folder,
                env=kept | _ONE_THREAD | settings,
                start_new_session=True,
            )
        try:
            started = Running(server, model, process, port, grpc_port)
            _wait_for_an_answer(started, log)
            yield started
        finally:
            end_tree(process, within_s=15)


def _command(server: Server, home: Path, port: int) -> list[str]:
    if server.name == "tidewheel":
        program = Path(sys.executable).with_name("tidewheel")
        return [str(program), "serve", "--home", str(home), "--port", str(port), "--workers", "1"]
    python = python_of(server.environment) if server.environment else Path(sys.executable)
    return [str(python), str(PEERS / server.script)]


def ask(running: Running, workload: str, shape: Shape, rows: Rows) -> list[float]:
    """One request and its answers, as a client library that knows the protocol would read them.

    Raises:
        RuntimeError: if the answer is not a 2xx.
    """
    if workload == "grpc":
        return _ask_grpc(running, len(rows))
    request = shape.write(running.model, rows)
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    client.request("POST", request.path, request.body, request.headers)
    answer = client.getresponse()
    body = answer.read()
    client.close()
    if answer.status // 100 != 2:
        raise RuntimeError(f"{answer.status} {body[:200]!r}")
    return [float(value) for value in shape.read(body)]


def _ask_grpc(running: Running, count: int) -> list[float]:
    command = [python_of("grpcio"), PEERS / "ask_grpc.py", str(running.grpc_port), running.model]
    done = subprocess.run(
        [*command, model_folder() / "rows.npy", str(count)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return [float(value) for value in json.loads(done.stdout)]


def _wait_for_an_answer(started: Running, log: Path) -> None:
    """Some bind their port long before they have a route to the model."""
    workload, shape = next(iter(started.server.shapes.items()))
    row = np.load(model_folder() / "rows.npy")[:1]
    deadline, trouble = time.monotonic() + _START_S, ""
    while time.monotonic() < deadline and started.process.poll() is None:
        try:
            ask(started, workload, shape, row)
            return
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            trouble = str(error)
            time.sleep(0.05)
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] or ["it said nothing"]
    worst = [line for line in said if "Error" in line] or said
    raise RuntimeError(f"it did not start ({trouble}): {worst[-1][:300]}")
