"""Keeps inference workers running: starts them, starts again one that has died, as many as the load wants, drains them
on stop.

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
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from tidewheel.base.errors import Conflict
from tidewheel.base.parent import as_parent
from tidewheel.base.settings import Settings
from tidewheel.serving.scaling import UP_LOOKS, Decision, Limits, Load, decide
from tidewheel.serving.snapshot import ScalingReport, ServingFolder, read_report, write_atomically
from tidewheel.serving.utilisation import Utilisation
from tidewheel.serving.watching import forget_workers
from tidewheel.serving.worker.guard import require_token

_LOOK_EVERY_S = 0.1
_MEASURE_EVERY_S = 1.0
_STEADY_S = 10.0
_LONGEST_PAUSE_S = 10.0


class WorkerGroup:
    """The workers on one port, and on another for gRPC: as many as the load wants, within the settings.

    Call `start` and `look` from a thread that outlives the workers.
    """

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
        self._folder = ServingFolder(home)
        self._count = workers or settings.get("serving.workers", int)
        most = max(settings.get("serving.max_workers", int), self._count)
        self._limits = Limits(self._count, most, settings.get("serving.scale_down_s", float))
        wanted = settings.get("serving.port", int) if port is None else port
        self._reserved = _reserve(self.host, wanted, "Stop what listens there, or give another --port.")
        self.port: int = self._reserved.getsockname()[1]
        wanted_grpc = settings.get("serving.grpc_port", int) if grpc_port is None else grpc_port
        self._reserved_grpc = self._reserve_grpc(wanted_grpc if wanted else min(wanted_grpc, 0))
        self.grpc_port: int = -1 if self._reserved_grpc is None else self._reserved_grpc.getsockname()[1]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._born: dict[int, float] = {}
        self._deaths: dict[int, int] = {}
        self._due: dict[int, float] = {}
        self._draining: list[tuple[int, subprocess.Popen[bytes], float]] = []
        self._loads: list[Load] = []
        self._measured_at_s = 0.0
        self._utilisation = Utilisation(self._folder)
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where the workers answer."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def grpc_address(self) -> str:
        """Where the workers answer gRPC, as host:port; empty where they do not."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.grpc_port}" if self.grpc_port > 0 else ""

    @property
    def pids(self) -> dict[int, int]:
        """The process ids of the workers, by index."""
        return {index: process.pid for index, process in self._processes.items()}

    def start(self) -> None:
        """Start all workers."""
        (self._home / "logs").mkdir(parents=True, exist_ok=True)
        for index in range(self._count):
            self._start(index)
        forget_workers(self._folder, self._count)
        self._report("the settings ask for it")

    def look(self) -> list[str]:
        """Start again what has died and is due, and fit the number to the load; a sentence for each that changed."""
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
                self._due[index] = now + min(0.05 * 2 ** min(self._deaths[index] - 1, 20), _LONGEST_PAUSE_S)
                said.append(f"worker-{index} ended with code {code}; starting it again.")
        self._let_go(now)
        return [*said, *self._fit_to_load(now)]

    def run(self, stopping: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Keep the workers running until `stopping` is set, then drain them; call `ready` once all of them listen."""
        told = False
        while not stopping.wait(_LOOK_EVERY_S):
            if not told and self.ready():
                told = True
                ready()
            for sentence in self.look():
                print(sentence, file=sys.stderr, flush=True)
        self.stop()

    def ready(self) -> bool:
        """Whether every worker listens."""
        for index, process in self._processes.items():
            report = read_report(self._folder.report(index))
            if report is None or report.pid != process.pid or report.state != "ready":
                return False
        return len(self._processes) == self._count

    def stop(self) -> None:
        """Ask the workers to drain; kill one that does not end in time."""
        deadline = self._drained_by()
        for process in self._processes.values():
            process.terminate()
        for process in [*self._processes.values(), *(process for _, process, _ in self._draining)]:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self._draining.clear()
        self._reserved.close()
        if self._reserved_grpc is not None:
            self._reserved_grpc.close()

    def _fit_to_load(self, now: float) -> list[str]:
        """Once a second: measure, and start or drain workers as the load wants."""
        if now - self._measured_at_s < _MEASURE_EVERY_S:
            return []
        self._measured_at_s = now
        load = self._utilisation.measure(now, self.pids)
        decision = Decision(self._count)
        if self.ready():  # what the load wants is known once those that were asked for are there
            kept = UP_LOOKS + int(self._limits.down_s / _MEASURE_EVERY_S)
            self._loads = [*self._loads, load][-kept:]
            decision = decide(self._limits, self._count, self._loads)
        self._utilisation.tell(len(self._processes), decision.workers)
        if not decision.reason:
            return []
        return [self._resize(decision)]

    def _resize(self, decision: Decision) -> str:
        before, self._count = self._count, decision.workers
        self._loads.clear()
        for index in range(before, self._count):
            self._deaths.pop(index, None)
            self._start(index)
        for index in range(self._count, before):
            process = self._processes.pop(index)
            process.terminate()
            self._draining.append((index, process, self._drained_by()))
        self._report(decision.reason)
        return f"{self._count} workers instead of {before}: {decision.reason}."

    def _let_go(self, now: float) -> None:
        """Forget workers that have drained; kill one that has not in time."""
        for draining in list(self._draining):
            index, process, deadline = draining
            if process.poll() is None:
                if now > deadline:
                    process.kill()
                continue
            self._draining.remove(draining)
            if index not in self._processes:
                self._utilisation.forget(index)
                forget_workers(self._folder, self._count)

    def _drained_by(self) -> float:
        """Until when a worker that is asked to drain now may take, in monotonic seconds."""
        return time.monotonic() + self._settings.get("serving.drain_timeout_s", float) + 2

    def _report(self, reason: str) -> None:
        """Say for `Serving.status` how many workers there shall be."""
        at = datetime.now(UTC).isoformat()
        report = ScalingReport(workers=self._count, most=self._limits.most, reason=reason, at=at)
        write_atomically(self._folder.scaling, report)

    def _reserve_grpc(self, wanted: int) -> socket.socket | None:
        """The port for gRPC; None where the setting says no, or grpcio is missing."""
        if wanted < 0 or find_spec("grpc") is None:
            return None
        try:
            return _reserve(self.host, wanted, "Stop what listens there, or set serving.grpc_port.")
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
            raise Conflict(f"{host}:{port} cannot be bound: {str(error).rstrip('.')}.", fix=fix) from None
        port = probe.getsockname()[1]
    reserved = socket.socket(family)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((host, port))
    return reserved
