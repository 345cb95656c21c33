"""A closed loop by `h2load` (Debian: nghttp2-client), which costs a third of a client in Python and speaks HTTP/2.

One request a connection at a time. It logs each request's latency, from which the percentiles are. Where it is not
installed, `serving_load` is used for HTTP/1.1, and gRPC is not measured.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.serving_load import Load, client_cores
from benchmarks.serving_requests import Request


def available() -> bool:
    """Whether it is installed."""
    return shutil.which("h2load") is not None


def closed_loop(port: int, request: Request, connections: int, requests: int, grpc: bool = False) -> Load:
    """So many requests over so many connections.

    Raises:
        RuntimeError: if one of them failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-h2load-") as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(request.body)
        command = ["taskset", "-c", ",".join(map(str, sorted(client_cores()))), "h2load", f"--log-file={log}"]
        command += ["-n", str(requests), "-c", str(connections), "-d", str(body)]
        command += ["--no-tls-proto=h2c" if grpc else "--h1"]
        for name, value in request.headers.items():
            command += ["-H", f"{name}: {value}"]
        before_s, began = _children_cpu_s(), time.perf_counter()
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{request.path}"], capture_output=True, text=True, check=False
        )
        took_s, cpu_s = time.perf_counter() - began, _children_cpu_s() - before_s
        return Load(_latencies_us(log, requests, done.stdout + done.stderr), _span_s(log) or took_s, cpu_s)


def _latencies_us(log: Path, requests: int, said: str) -> list[float]:
    """Lines of: microsecond of the start, status, microseconds taken."""
    lines = [line.split() for line in log.read_text().splitlines()]
    good = [float(taken) for _, status, taken in lines if status == "200"]
    if len(good) != requests:
        raise RuntimeError(f"{requests - len(good)} of {requests} requests failed: {said.strip()[-300:]}")
    return good


def _span_s(log: Path) -> float:
    """From the first request's start to the last answer, so that h2load's own start is not counted."""
    lines = [line.split() for line in log.read_text().splitlines()]
    starts = [int(start) for start, _, _ in lines]
    ends = [int(start) + int(taken) for start, _, taken in lines]
    return (max(ends) - min(starts)) / 1e6


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
