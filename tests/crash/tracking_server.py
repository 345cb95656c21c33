"""A control plane that tests kill and starve, and writers that remember what it acknowledged."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
from tests.ports import free_ports

_DEADLINE_S = 30.0
POINTS = 50
"""In each batch, with one param: a batch is there whole or not at all."""


class TrackingServer:
    """`python -m tidewheel.server` over one home, started again and again at one address."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port = free_ports()
        self.url = f"http://127.0.0.1:{self._port}"
        self.process = self._start()

    def kill(self) -> None:
        """End it without any notice."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Begin on what is there."""
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tidewheel.server", "--home", str(self.home), "--port", str(self._port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _DEADLINE_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=5).is_success:
                    return process
            except httpx.HTTPError:
                time.sleep(0.02)
        process.kill()
        raise AssertionError("the server did not start")


class Writer:
    """Writes batches into one run until it is told to stop or the server is gone."""

    def __init__(self, url: str, name: str, wire: str) -> None:
        self.run_id = name
        self.acknowledged: list[int] = []
        self.tried = 0
        self._wire = wire
        self._http = httpx.Client(base_url=url, timeout=30)
        self.stopped = False

    def begin(self) -> None:
        """Make the run."""
        if self._wire == "native":
            answer = self._http.post("/api/v1/tracking/runs", json={"experiment": "crash", "run_id": self.run_id})
            answer.raise_for_status()
            return
        answer = self._http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0", "start_time": 1})
        self.run_id = answer.raise_for_status().json()["run"]["info"]["run_id"]

    def write(self) -> None:
        """Go on until the connection breaks."""
        try:
            while not self.stopped:
                self.tried += 1
                self._batch(self.tried).raise_for_status()
                self.acknowledged.append(self.tried)
        except httpx.TransportError:
            return
        finally:
            self._http.close()

    def _batch(self, number: int) -> httpx.Response:
        steps = range(number * POINTS, (number + 1) * POINTS)
        if self._wire == "native":
            metrics = [{"key": "loss", "value": 0.5, "step": step} for step in steps]
            body = {"metrics": metrics, "params": {f"batch_{number}": "1"}}
            return self._http.post(f"/api/v1/tracking/runs/{self.run_id}/batch", json=body)
        points = [{"key": "loss", "value": 0.5, "step": step, "timestamp": step} for step in steps]
        params = [{"key": f"batch_{number}", "value": "1"}]
        body = {"run_id": self.run_id, "metrics": points, "params": params}
        return self._http.post("/api/2.0/mlflow/runs/log-batch", json=body)
