"""A worker from start to end: joins the pieces, listens, watches the snapshot, reports, drains.

It listens only once the first snapshot is loaded, so no request meets an empty worker. One worker an index: a lock file
makes a second wait until the first has drained. Called by `__main__`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tidewheel.base.clock import clock_at
from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder, WorkerReport, write_atomically
from tidewheel.serving.worker import metrics, openapi
from tidewheel.serving.worker.access_log import AccessLog
from tidewheel.serving.worker.addresses import Addresses
from tidewheel.serving.worker.calls import Call, Outcome
from tidewheel.serving.worker.feast import FeatureServer
from tidewheel.serving.worker.grpc.server import GrpcServer, open_grpc
from tidewheel.serving.worker.guard import Guard, require_token
from tidewheel.serving.worker.http_answers import TEXT
from tidewheel.serving.worker.http_protocol import Connection, Exchange, HttpServer, Limits
from tidewheel.serving.worker.information import Information
from tidewheel.serving.worker.intake import Intake
from tidewheel.serving.worker.labels import LabelTaker
from tidewheel.serving.worker.listening import listen, stop_listening
from tidewheel.serving.worker.metrics import Meters
from tidewheel.serving.worker.online import open_online
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.repository import Repository
from tidewheel.serving.worker.repository_rest import RepositoryRest
from tidewheel.serving.worker.rest import RestInference
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.scoring import ScoringRest
from tidewheel.serving.worker.shadows import Shadows
from tidewheel.serving.worker.snapshots import Loading, SnapshotWatcher
from tidewheel.serving.worker.tracing import Tracing
from tidewheel.serving.worker.triton_extensions import UNOFFERED, TritonExtensions
from tidewheel.storage.predictions.writer import PredictionWriter

_LOCK_WAIT_S = 20.0
_LAST_SPANS_S = 5.0
_TICK_S = 0.25
_BACKLOG = 2048
_SWITCH_S = 0.0005  # a thread that loads or shadows gives way to requests after this long, not after Python's 5 ms


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker runs."""

    home: Path
    host: str
    port: int
    index: int


class Worker:
    """One worker process, from inside."""

    def __init__(self, place: Place, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._place = place
        self._settings = settings
        self._folder = ServingFolder(place.home)
        clock = clock_at(place.home / "clock")
        online = open_online(place.home, settings)
        self._meters = Meters(self._folder.counters, place.index)
        segment_bytes = settings.get("storage.segment_bytes", int)
        self._log = PredictionWriter(place.home / "predictions", f"w{place.index}", segment_bytes)
        queue_bytes = settings.get("serving.queue_mb", int) * 2**20
        self._intake = Intake(queue_bytes, self._meters.count_shed)
        self._shadows = Shadows(loop, online, self._log_shadow, self._meters.count_dropped, queue_bytes)
        budget_bytes = settings.get("serving.memory_budget_mb", int) * 2**20
        most = settings.get("serving.log_tensor_values", int)
        self._inference = Inference(loop, self._log, online, clock, self._meters, self._shadows, budget_bytes, most)
        self._rest = RestInference(self._inference.submit)
        self._scoring = ScoringRest(lambda: self._inference.table, self._inference.submit)
        self._tracing = self._observe(settings)
        allowed = settings.get("serving.repository_control", bool)
        self._repository = Repository(self._inference, self._folder.unloaded, allowed)
        self._information = Information(self._inference)
        self._triton = TritonExtensions(self._inference)
        self._features = FeatureServer(lambda: self._inference.table, online, clock)
        self._labels = LabelTaker(self._log, clock, self._meters)
        self._server = HttpServer(
            Guard(self._addresses(), settings),
            _limits(settings),
            self._meters.count_answer,
            _TICK_S,
            intake=self._intake,
        )
        self._watcher = SnapshotWatcher(self._folder, self._swap, settings)
        self._grpc: GrpcServer | None = None
        self._failures: dict[str, str] = {}
        self._applied = 0  # the last generation that was loaded whole
        self._state = "loading"
        self._started_at = datetime.now(UTC).isoformat()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain."""
        self._report()
        loop = asyncio.get_running_loop()
        await self._watcher.look(loop)
        self._information.ready = self._inference.table.generation > 0 or not self._failures
        listening = listen(self._place.host, self._place.port, _BACKLOG)
        kept = listening.dup()
        listener = await loop.create_server(lambda: Connection(self._server), sock=listening, backlog=_BACKLOG)
        repository, place = self._repository, self._place
        self._grpc = await open_grpc(
            place.host, self._settings, self._inference, repository, self._is_ready, self._intake
        )
        self._state = "ready"
        self._report()
        gc.freeze()  # what is loaded by now stays: later collections need not look at it
        tasks = [asyncio.ensure_future(self._watcher.run()), asyncio.ensure_future(self._tick())]
        await stop.wait()
        tasks[0].cancel()
        drained = [self._drain(listener, kept)]
        if self._grpc is not None:
            drained.append(self._grpc.drain(self._settings.get("serving.drain_timeout_s", float)))
        await asyncio.gather(*drained)
        tasks[1].cancel()
        self._log.seal()
        self._inference.sweep()
        if self._tracing is not None:
            with contextlib.suppress(TimeoutError):  # the collector is away
                await asyncio.wait_for(loop.run_in_executor(None, self._tracing.close), _LAST_SPANS_S)

    def _observe(self, settings: Settings) -> Tracing | None:
        """Write down and trace requests, as far as the settings ask for it."""
        observers = self._inference.observers
        if settings.get("serving.access_log", bool):
            path = self._place.home / "logs" / f"access-w{self._place.index}.jsonl"
            observers.append(AccessLog(path, settings.get("serving.access_log_mb", int) * 2**20))
        endpoint = settings.get("serving.otlp_endpoint", str)
        if not endpoint:
            return None
        tracing = Tracing(endpoint, settings.get("serving.trace_share", float), self._place.index)
        observers.append(tracing)
        return tracing

    async def _tick(self) -> None:
        while True:
            try:
                self._server.sweep()
                self._inference.sweep()
                self._repository.look()
                self._write_gauges()
            except Exception:  # one bad connection must not end the watch over all others
                traceback.print_exc(file=sys.stderr)
            await asyncio.sleep(_TICK_S)

    async def _drain(self, listener: asyncio.Server, kept: socket.socket) -> None:
        """Take no new connection, answer what is under way and what arrives on open ones, then close those."""
        self._state = "draining"
        self._information.ready = False
        self._server.draining = True
        self._report()
        await stop_listening(listener, kept, lambda: Connection(self._server))
        deadline = time.monotonic() + self._settings.get("serving.drain_timeout_s", float)
        while (self._server.connections or self._shadows.waiting) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _is_ready(self) -> bool:
        return self._information.ready

    def _swap(self, loading: Loading) -> None:
        self._failures = loading.failures
        if loading.table is not None:
            self._inference.take_table(loading.table)
            self._information.ready = self._state != "draining"
            if loading.whole:
                self._applied = loading.table.generation
        self._report()

    def _report(self) -> None:
        report = WorkerReport(
            pid=os.getpid(),
            state=self._state,
            generation=self._applied,
            failures=self._failures,
            started_at=self._started_at,
            address=f"{self._place.host}:{self._place.port}",
        )
        write_atomically(self._folder.report(self._place.index), report)

    def _log_shadow(self, call: Call, version: LoadedVersion, outcome: Outcome) -> None:
        self._inference.log_shadow(call, version, outcome)

    def _write_gauges(self) -> None:
        self._meters.note_cpu()
        called = 0 if self._grpc is None else self._grpc.in_flight
        self._meters.gauge(metrics.IN_FLIGHT, self._server.in_flight + called)
        self._meters.gauge(metrics.WAITING, self._inference.lanes.waiting)
        self._meters.gauge(metrics.HELD_BYTES, self._intake.held_bytes)
        self._meters.gauge(metrics.MODEL_MEMORY, self._inference.residency.memory_bytes)
        self._meters.gauge(metrics.CONNECTIONS, len(self._server.connections))
        self._meters.gauge(metrics.GENERATION, self._applied)

    def _metrics(self, exchange: Exchange) -> None:
        self._write_gauges()
        exchange.answer(200, self._meters.exposition(), TEXT)

    def _addresses(self) -> Addresses:
        information, repository = self._information, RepositoryRest(self._repository)
        return Addresses(
            {
                (b"GET", b"/v2"): information.server,
                (b"GET", b"/v2/health/live"): information.live,
                (b"GET", b"/v2/health/ready"): information.is_ready,
                (b"GET", b"/v2/models/stats"): self._triton.all_statistics,
                (b"GET", b"/metrics"): self._metrics,
                (b"GET", b"/openapi.json"): openapi.answer,
                (b"GET", b"/ping"): information.ping,
                (b"GET", b"/health"): information.ping,
                (b"GET", b"/version"): information.version,
                (b"GET", b"/v1/models"): information.models,
                (b"POST", b"/invocations"): self._scoring.invoke_only,
                (b"POST", b"/api/v1/serving/labels"): self._labels.take,
                (b"POST", b"/push"): self._features.push,
                (b"POST", b"/get-online-features"): self._features.read,
                (b"POST", b"/v2/repository/index"): repository.index,
            },
            {
                b"/v2/models/": {
                    (b"GET", b""): information.model,
                    (b"GET", b"ready"): information.model_ready,
                    (b"GET", b"config"): self._triton.configuration,
                    (b"GET", b"stats"): self._triton.statistics,
                    (b"GET", b"trace/setting"): self._triton.trace_setting,
                    (b"POST", b"trace/setting"): self._triton.trace_setting,
                    (b"POST", b"infer"): self._rest.infer,
                    (b"POST", b"invocations"): self._scoring.invoke,
                },
                b"/v1/models/": {
                    (b"GET", b""): information.model_ready,
                    (b"POST", b""): self._scoring.predict,
                },
                b"/v2/repository/models/": {
                    (b"POST", b"load"): repository.load,
                    (b"POST", b"unload"): repository.unload,
                },
            },
            UNOFFERED,
        )


def serve(place: Place, settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises:
        Conflict: if another worker has this index and does not end.
        NotAllowed: if others could reach the host and no token is asked for.
    """
    import uvloop

    require_token(place.host, settings)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await Worker(place, settings, loop).run(stop)

    sys.setswitchinterval(_SWITCH_S)
    with holding_index(ServingFolder(place.home), place.index):
        uvloop.run(main())


@contextlib.contextmanager
def holding_index(folder: ServingFolder, index: int) -> Iterator[None]:
    """Be the worker of an index; wait for one that is still draining."""
    folder.workers.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_WAIT_S
    with (folder.workers / f"{index}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"Another inference worker {index} runs on {folder.root}.",
                        fix="Stop it, or take another --index.",
                    ) from None
                time.sleep(0.05)
        yield


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_body_bytes=settings.get("serving.max_body_bytes", int),
        idle_timeout_s=settings.get("serving.idle_timeout_s", float),
    )
