"""Keeps inference workers running: starts them, starts again one that has died, drains them on stop.

Used by `tidewheel serve` and by whoever embeds workers; `tidewheel up` supervises all kinds of process with the same
rules. A worker that keeps dying is started again with growing pauses. Workers end by themselves when this process is
gone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from tidewheel.base.errors import Conflict
from tidewheel.base.parent import as_parent
from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder, read_report
from tidewheel.serving.worker.guard import require_token

_LOOK_EVERY_S = 0.1
_STEADY_S = 10.0
_LONGEST_PAUSE_S = 10.0


class WorkerGroup:
    """N workers on one port, and on another for gRPC. Call `start` from a thread that outlives them."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        *,
        host: str = "",
        port: int | None = None,
        grpc_port: int | None = None,
        workers: int = 0,
    ):
        """Port 0 takes a free one, and another for gRPC; `port` and `grpc_port` then say which."""
        self.host = host or settings.get("serving.host", str)
        require_token(self.host, settings)
        self._home = home
        self._settings = settings
        self._count = workers or settings.get("serving.workers", int)
        wanted = settings.get("serving.port", int) if port is None else port
        self._reserved = _reserve(self.host, wanted, "Give another --port.")
        self.port: int = self._reserved.getsockname()[1]
        wanted_grpc = settings.get("serving.grpc_port", int) if grpc_port is None else grpc_port
        self._reserved_grpc = self._reserve_grpc(wanted_grpc if wanted else min(wanted_grpc, 0))
        self.grpc_port: int = -1 if self._reserved_grpc is None else self._reserved_grpc.getsockname()[1]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._born: dict[int, float] = {}
        self._deaths: dict[int, int] = {}
        self._due: dict[int, float] = {}
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where the workers answer."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def pids(self) -> dict[int, int]:
        """The process ids of the workers, by index."""
        return {index: process.pid for index, process in self._processes.items()}

    def start(self) -> None:
        """Start all workers."""
        (self._home / "logs").mkdir(parents=True, exist_ok=True)
        for index in range(self._count):
            self._start(index)

    def look(self) -> list[str]:
        """Start again what has died and is due; return a sentence for each death."""
        said, now = [], time.monotonic()
        for index in range(self._count):
            process = self._processes.get(index)
            if process is None:
                if now >= self._due[index]:
                    self.restarts += 1
                    self._start(index)
            elif (code := process.poll()) is not None:
                del self._processes[index]
                self._deaths[index] = 1 if now - self._born[index] > _STEADY_S else self._deaths.get(index, 0) + 1
                self._due[index] = now + min(0.05 * 2 ** (self._deaths[index] - 1), _LONGEST_PAUSE_S)
                said.append(f"worker-{index} ended with code {code}; starting it again.")
        return said

    def run(self, stopping: threading.Event) -> None:
        """Keep the workers running until `stopping` is set, then drain them."""
        while not stopping.wait(_LOOK_EVERY_S):
            for sentence in self.look():
                print(sentence, file=sys.stderr, flush=True)
        self.stop()

    def ready(self) -> bool:
        """Whether every worker listens."""
        folder = ServingFolder(self._home)
        for index, process in self._processes.items():
            report = read_report(folder.report(index))
            if report is None or report.pid != process.pid or report.state != "ready":
                return False
        return len(self._processes) == self._count

    def stop(self) -> None:
        """Ask the workers to drain; kill one that does not end in time."""
        deadline = time.monotonic() + self._settings.get("serving.drain_timeout_s", float) + 2
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self._reserved.close()
        if self._reserved_grpc is not None:
            self._reserved_grpc.close()

    def _reserve_grpc(self, wanted: int) -> socket.socket | None:
        """The port for gRPC; None where the setting says no, or grpcio is missing."""
        if wanted < 0 or find_spec("grpc") is None:
            return None
        try:
            return _reserve(self.host, wanted, "Set serving.grpc_port.")
        except Conflict:
            self._reserved.close()
            raise

    def _start(self, index: int) -> None:
        command = [sys.executable, "-m", "tidewheel.serving.worker", "--home", str(self._home), "--host", self.host]
        command += ["--port", str(self.port), "--index", str(index)]
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **self._settings.environment(), **as_parent()}
        environment["TIDEWHEEL_SERVING_GRPC_PORT"] = str(self.grpc_port)
        with (self._home / "logs" / f"worker-{index}.log").open("ab") as output:
            self._processes[index] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._born[index] = time.monotonic()


def _reserve(host: str, port: int, fix: str) -> socket.socket:
    """A bound socket that never listens: it keeps the port ours, and gets no connection.

    Without SO_REUSEPORT first: another install's workers would share the port with us unnoticed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise Conflict(f"{host}:{port} cannot be bound: {error}.", fix=fix) from None
        port = probe.getsockname()[1]
    reserved = socket.socket(family)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((host, port))
    return reserved
