"""A closed loop over gRPC by `h2load` (Debian: nghttp2-client): a client in Python would cost more than the servers.

One call a connection at a time, the same message again and again. It logs each call's latency, from which the
percentiles are. Where it is not installed, gRPC is not measured.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.serving_load import Load, children_cpu_s, client_cores
from benchmarks.serving_requests import Request


def closed_loop(port: int, request: Request, connections: int, seconds: int) -> Load:
    """Calls over so many connections for so many seconds.

    Raises:
        RuntimeError: if one of them failed, or h2load is not installed.
    """
    if shutil.which("h2load") is None:
        raise RuntimeError("h2load is not installed (Debian: nghttp2-client)")
    before_s = children_cpu_s()
    with tempfile.TemporaryDirectory(prefix="bench-h2load-") as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(request.body)
        command = ["taskset", "-c", ",".join(map(str, sorted(client_cores()))), "h2load", f"--log-file={log}"]
        command += ["-c", str(connections), "-D", str(seconds), "-d", str(body)]
        for name, value in request.headers.items():
            command += ["-H", f"{name}: {value}"]
        url = f"http://127.0.0.1:{port}{request.path}"
        done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
        lines = [line.split() for line in log.read_text().splitlines()]
    bad = sum(status != "200" for _, status, _ in lines)
    if done.returncode or bad or not lines:
        raise RuntimeError(f"{bad} of {len(lines)} calls failed: {(done.stdout + done.stderr).strip()[-300:]}")
    return Load.of([float(taken) for _, _, taken in lines], seconds, children_cpu_s() - before_s)
