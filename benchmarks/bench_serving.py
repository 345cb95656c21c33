"""Single-row inference on loopback: latency, throughput, and the figure that is stable anywhere: server CPU a request.

    python benchmarks/bench_serving.py [--requests 5000] [--workers 1] [--json]

One worker, a LightGBM model of 200 trees on 30 features, JSON in and out, with routing between two versions,
prediction log and metrics on. The client is another process. CPU is what the workers say of themselves in `/metrics`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.data import Data
from tidewheel.features import Features
from tidewheel.registry import Registry, Signature
from tidewheel.registry.formats import open_format
from tidewheel.serving import Serving, WorkerGroup
from tidewheel.storage import Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.predictions import PredictionLog

FEATURES, TREES = 30, 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        group = start(Path(folder), given.workers)
        try:
            figures = measure(group, given.requests)
        finally:
            group.stop()
    figures["settings"] = f"{given.workers} worker(s), {TREES} trees, {FEATURES} features, {os.cpu_count()} cores"
    if given.json:
        print(json.dumps(figures))
        return
    print(f"serving, single-row JSON inference ({figures.pop('settings')})")
    for name, figure in figures.items():
        print(f"  {name:<44} {figure:>10,.1f}")


def start(home: Path, workers: int) -> WorkerGroup:
    """A home with two versions of one model behind an endpoint, and its workers."""
    import lightgbm

    clock = SystemClock()
    metadata = Metadata(sqlite_url(home / "metadata.db"), clock)
    schema.create_all(metadata.engine)
    blobs = open_backend("blobs", f"file://{home}/blobs")
    log = PredictionLog(home / "predictions", metadata, open_backend("tables", f"file://{home}/tables"))
    registry = Registry(metadata, blobs, clock)
    online = open_backend("online", f"lmdb://{home}/online")
    data = Data(metadata, open_backend("tables", f"file://{home}/tables"), blobs, clock)
    features = Features(metadata, data, online, blobs, clock)
    serving = Serving(metadata, registry, features, blobs, log, clock, Settings(), home)
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5000, FEATURES))
    label = (rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=5000) > 0).astype(float)
    options = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 2}
    model = lightgbm.train(options, lightgbm.Dataset(rows, label), num_boost_round=TREES)
    folder = home / "model"
    folder.mkdir()
    open_format("lightgbm").save(model, folder)
    signature = Signature.of([f"f{number}" for number in range(FEATURES)], ["p"])
    versions = [registry.register("bench", format="lightgbm", folder=folder, signature=signature) for _ in range(2)]
    serving.create_endpoint("bench")
    serving.set_route("bench", {versions[0].id: 90.0, versions[1].id: 10.0})
    group = WorkerGroup(home, Settings(), port=0, workers=workers)
    began = time.perf_counter()
    group.start()
    while not group.ready():
        group.look()
        time.sleep(0.005)
    print(f"workers ready after {time.perf_counter() - began:.2f} s", file=sys.stderr)
    return group


def measure(group: WorkerGroup, requests: int) -> dict[str, Any]:
    """Latency with one connection, then throughput with more."""
    payload = request_bytes()
    figures: dict[str, Any] = {}
    in_process(one_by_one, group, payload, 500)
    for connections in (1, 16, 64):
        before = cpu_s(group)
        load = one_by_one if connections == 1 else at_once
        took_s, latencies_us = in_process(load, group, payload, requests, connections)
        figures[f"{connections} connection(s): requests per second"] = requests / took_s
        figures[f"{connections} connection(s): median latency, us"] = statistics.median(latencies_us)
        figures[f"{connections} connection(s): p99 latency, us"] = float(np.percentile(latencies_us, 99))
        figures[f"{connections} connection(s): server CPU per request, us"] = (cpu_s(group) - before) / requests * 1e6
    return figures


def request_bytes() -> bytes:
    """One request as a client library sends it."""
    row = [round(float(value), 6) for value in np.random.default_rng(2).normal(size=FEATURES)]
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, FEATURES], "data": row}
    body = json.dumps({"inputs": [tensor], "parameters": {"key": "rider7"}}).encode()
    head = (
        "POST /v2/models/bench/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def cpu_s(group: WorkerGroup) -> float:
    """Processor time of all workers so far; theirs is written down four times a second."""
    time.sleep(0.6)
    with socket.create_connection((group.host, group.port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    name = "tidewheel_serving_process_cpu_seconds_total"
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def in_process(load: Callable[..., Any], group: WorkerGroup, *arguments: Any) -> Any:
    """Run a load in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(load, (group.host, group.port, *arguments))


def one_by_one(host: str, port: int, payload: bytes, requests: int, _connections: int = 1) -> tuple[float, list[float]]:
    """One connection, each request after the answer to the last."""
    latencies_us = []
    with socket.create_connection((host, port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        for _ in range(requests):
            sent = time.perf_counter()
            client.sendall(payload)
            answer = client.recv(65536)
            latencies_us.append((time.perf_counter() - sent) * 1e6)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
        return time.perf_counter() - began, latencies_us


class _Closed(asyncio.Protocol):
    """A connection that sends its next request when it has its answer (an answer is one segment on loopback)."""

    def __init__(self, payload: bytes, requests: int, done: asyncio.Future[None]) -> None:
        self._payload, self._left, self._done = payload, requests, done
        self.latencies_us: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self.latencies_us.append((time.perf_counter() - self._sent) * 1e6)
        if not data.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(data.decode()))
        elif self._left:
            self._send()
        else:
            self._done.set_result(None)

    def _send(self) -> None:
        self._left -= 1
        self._sent = time.perf_counter()
        self._transport.write(self._payload)  # type: ignore[attr-defined]


def at_once(host: str, port: int, payload: bytes, requests: int, connections: int) -> tuple[float, list[float]]:
    """Many connections, each in a closed loop."""
    import uvloop

    async def run() -> tuple[float, list[float]]:
        loop = asyncio.get_running_loop()
        share = requests // connections
        clients = [_Closed(payload, share, loop.create_future()) for _ in range(connections)]
        began = time.perf_counter()
        for client in clients:
            await loop.create_connection(lambda client=client: client, host, port)  # type: ignore[misc]
        await asyncio.gather(*(client._done for client in clients))
        return time.perf_counter() - began, [each for client in clients for each in client.latencies_us]

    return uvloop.run(run())


if __name__ == "__main__":
    main()
