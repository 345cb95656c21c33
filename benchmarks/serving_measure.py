"""One server under load: its answers are checked, then it is asked in a closed loop and in an open one.

Called by `bench_serving` once a round for each server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import serving_h2load, serving_load
from benchmarks.serving_environments import NoEnvironment, model_folder
from benchmarks.serving_figures import Figures, Results
from benchmarks.serving_load import Load
from benchmarks.serving_servers import Running, Server, ask, running

ROWS = {"json-1": 1, "json-64": 64, "binary-64": 64, "grpc": 1}
"""Rows a request, by workload."""
BATCHED = ("tidewheel", "litserve", "mlserver", "bentoml")
"""Servers that can put requests together; the others are asked once, without."""
_MOST_CONNECTIONS = 64
_WARM_UP_S = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each server in a round."""

    workloads: Sequence[str]
    connections: Sequence[int]
    seconds: float
    open_shares: Sequence[float]
    batching: bool


def measure_once(server: Server, home: Path, plan: Plan, results: Results) -> None:
    """All of the plan; what a server cannot do is noted in `results.troubles` and not tried again."""
    try:
        with running(server, home) as now:
            for workload in (name for name in plan.workloads if name in server.shapes):
                if f"{server.name} {workload}" not in results.troubles:
                    _measure_workload(now, workload, plan, results)
            results.memory_mb[server.name].append(now.memory_mb())
        if plan.batching and "json-1" in server.shapes and server.name != "floor":
            _measure_batching(server, home, plan, results)
    except (NoEnvironment, RuntimeError) as error:
        results.troubles[server.name] = str(error)


def check_answers(now: Running, workload: str, model: str = "trees") -> None:
    """Hold a server to the answers of the model's own library.

    Raises:
        RuntimeError: if it gives others.
    """
    count = ROWS[workload]
    right = np.load(model_folder() / f"{model}.npy")[:count]
    answers = ask(now, workload, now.server.shapes[workload], _rows(workload))
    if len(answers) != count or not np.allclose(answers, right, rtol=1e-4, atol=1e-4):
        raise RuntimeError(f"it answers {answers[:3]} where {right[:3].tolist()} is right")


def _measure_workload(now: Running, workload: str, plan: Plan, results: Results) -> None:
    name = now.server.name
    try:
        check_answers(now, workload)
        for connections in plan.connections:
            figures = _closed(now, workload, connections, plan.seconds)
            results.closed[name, workload, str(connections)].append(figures)
        if workload == "json-1":
            capacity = figures.per_second
            for share in plan.open_shares:
                opened = _open(now, workload, capacity * share, plan.seconds)
                results.opened[name, workload, f"{share:.0%}"].append(opened)
    except RuntimeError as error:
        results.troubles[f"{name} {workload}"] = str(error)


def _measure_batching(server: Server, home: Path, plan: Plan, results: Results) -> None:
    """The network, a row at a time over many connections: each alone, and put together where the server can."""
    for most_rows in (1, 64) if server.name in BATCHED else (1,):
        with running(server, home, "network", most_rows) as now:
            if server.name == "tidewheel" and most_rows == 1:
                now = replace(now, model="network-alone")
            check_answers(now, "json-1", "network")
            figures = _closed(now, "json-1", _MOST_CONNECTIONS, plan.seconds)
            results.batched[server.name, "network", str(most_rows)].append(figures)


def _closed(now: Running, workload: str, connections: int, seconds: float) -> Figures:
    """As many requests as take about so many seconds, which a short run before tells, and which warms up."""
    first = _run_closed(now, workload, connections, 4 * connections)
    second = _run_closed(now, workload, connections, _count(first, _WARM_UP_S, connections))
    before_s = now.cpu_s()
    load = _run_closed(now, workload, connections, _count(second, seconds, connections))
    return Figures.of(load, now.cpu_s() - before_s)


def _count(load: Load, seconds: float, connections: int) -> int:
    return max(int(load.per_second * seconds), 4 * connections)


def _run_closed(now: Running, workload: str, connections: int, requests: int) -> Load:
    request = now.server.shapes[workload].write(now.model, _rows(workload))
    grpc = workload == "grpc"
    if serving_h2load.available():
        port = now.grpc_port if grpc else now.port
        return serving_h2load.closed_loop(port, request, connections, requests, grpc)
    if grpc:
        raise RuntimeError("h2load is not installed (Debian: nghttp2-client)")
    return serving_load.closed_loop(now.port, request.http(), connections, requests)


def _open(now: Running, workload: str, per_second: float, seconds: float) -> Figures:
    request = now.server.shapes[workload].write(now.model, _rows(workload))
    count = max(int(per_second * seconds), 100)
    before_s = now.cpu_s()
    load = serving_load.open_loop(now.port, request.http(), _MOST_CONNECTIONS, count, per_second)
    return Figures.of(load, now.cpu_s() - before_s)


def _rows(workload: str) -> np.ndarray:
    return np.load(model_folder() / "rows.npy")[: ROWS[workload]]
