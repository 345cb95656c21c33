"""One server under load: its answers are checked, then it is asked in a closed loop and in an open one.

Called by `bench_serving` once a round for each server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import serving_h2load, serving_load, serving_wrk
from benchmarks.serving_environments import NoEnvironment, model_folder
from benchmarks.serving_figures import Figures, Results
from benchmarks.serving_requests import Request
from benchmarks.serving_servers import Running, Server, ask, running

ROWS = {"json-1": 1, "json-64": 64, "binary-64": 64, "grpc": 1}
"""Rows a request, by workload."""
BATCHED = ("tidewheel", "litserve", "mlserver", "bentoml")
"""Servers that can put requests together; the others are asked once, without."""
_MOST_CONNECTIONS = 64
_WARM_UP_S = 1
_DIFFERENT = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each server in a round."""

    workloads: Sequence[str]
    connections: Sequence[int]
    seconds: int
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
    answers = ask(now, workload, now.server.shapes[workload], np.load(model_folder() / "rows.npy")[:count])
    if len(answers) != count or not np.allclose(answers, right, rtol=1e-4, atol=1e-4):
        raise RuntimeError(f"it answers {answers[:3]} where {right[:3].tolist()} is right")


def _measure_workload(now: Running, workload: str, plan: Plan, results: Results) -> None:
    name = now.server.name
    try:
        check_answers(now, workload)
        _closed(now, workload, _MOST_CONNECTIONS, _WARM_UP_S)
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
            _closed(now, "json-1", _MOST_CONNECTIONS, _WARM_UP_S)
            figures = _closed(now, "json-1", _MOST_CONNECTIONS, plan.seconds)
            results.batched[server.name, "network", str(most_rows)].append(figures)


def _closed(now: Running, workload: str, connections: int, seconds: int) -> Figures:
    """What a server can do: whoever has an answer asks again."""
    before_s = now.cpu_s()
    requests = _requests(now, workload)
    if workload == "grpc":
        load = serving_h2load.closed_loop(now.grpc_port, requests[0], connections, seconds)
    else:
        closed_loop = serving_wrk.closed_loop if serving_wrk.available() else serving_load.closed_loop
        load = closed_loop(now.port, [request.http() for request in requests], connections, seconds)
    return Figures.of(load, now.cpu_s() - before_s)


def _open(now: Running, workload: str, per_second: float, seconds: int) -> Figures:
    """How long callers wait who come at a fixed rate, whatever the server does."""
    payloads = [request.http() for request in _requests(now, workload)]
    before_s = now.cpu_s()
    load = serving_load.open_loop(now.port, payloads, _MOST_CONNECTIONS, seconds, per_second)
    return Figures.of(load, now.cpu_s() - before_s)


def _requests(now: Running, workload: str) -> list[Request]:
    """Different rows in each."""
    rows, count = np.load(model_folder() / "rows.npy"), ROWS[workload]
    return [now.server.shapes[workload].write(now.model, rows[at : at + count]) for at in range(_DIFFERENT)]
