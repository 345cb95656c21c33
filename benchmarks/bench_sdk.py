"""What one `log_metric` costs a training loop: Tidewheel's SDK, and MLflow's client one by one and asynchronously.

All write to one Tidewheel server of this benchmark's own, over HTTP, so that only the clients differ; each runs in a
process of its own. Printed are medians over rounds of the time in the loop, and of the time until all has arrived.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from statistics import median

ROUNDS = 3
CASES = {"tidewheel": 20_000, "mlflow, asynchronous": 2_000, "mlflow": 300}
_TIDEWHEEL = """
import json, sys, time
import tidewheel as tw
count = int(sys.argv[1])
with tw.start_run("bench", capture=False):
    began = time.perf_counter()
    for step in range(count):
        tw.log_metric("loss", 0.5, step)
    looped = time.perf_counter()
    tw.flush()
    print(json.dumps([(looped - began) / count * 1e6, (time.perf_counter() - began) / count * 1e6]))
"""
_MLFLOW = """
import json, sys, time
import mlflow
count, later = int(sys.argv[1]), {later}
mlflow.set_experiment("bench")
with mlflow.start_run():
    began = time.perf_counter()
    for step in range(count):
        mlflow.log_metric("loss", 0.5, step=step, synchronous=not later)
    looped = time.perf_counter()
    if later:
        mlflow.flush_async_logging()
    print(json.dumps([(looped - began) / count * 1e6, (time.perf_counter() - began) / count * 1e6]))
"""
_SCRIPTS = {
    "tidewheel": _TIDEWHEEL,
    "mlflow, asynchronous": _MLFLOW.format(later=True),
    "mlflow": _MLFLOW.format(later=False),
}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home:
        server, url = _serve(home)
        try:
            found = {name: _measure(name, count, url, home) for name, count in CASES.items()}
        finally:
            server.terminate()
            server.wait()
    ours = found["tidewheel"]
    print(f"{'client':24}{'in the loop':>16}{'until arrived':>16}   us per log_metric; ratio to tidewheel's")
    for name, (loop_us, whole_us) in found.items():
        print(f"{name:24}{loop_us:16.1f}{whole_us:16.1f}   {loop_us / ours[0]:.0f}x, {whole_us / ours[1]:.0f}x")


def _measure(name: str, count: int, url: str, home: str) -> tuple[float, float]:
    environment = {
        **os.environ, "TIDEWHEEL_URL": url, "MLFLOW_TRACKING_URI": url, "TIDEWHEEL_TRACKING_SPOOL_FOLDER": f"{home}/s",
    }  # fmt: skip
    rounds = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", _SCRIPTS[name], str(count)]
        told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        rounds.append(json.loads(next(line for line in told.splitlines() if line.startswith("["))))
    return median(loop for loop, _ in rounds), median(whole for _, whole in rounds)


def _serve(home: str) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tidewheel.cli", "server", "--home", home, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return server, f"http://127.0.0.1:{port}"
    server.kill()
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    main()
