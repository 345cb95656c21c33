"""A closed loop by `wrk` (Debian: wrk), which costs a third of a client in Python.

It sends the requests that it is given in turn: a server that is asked for the same row again and again has a model
call that the processor knows by heart. Where it is not installed, `serving_load` is used.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving_load import Load, children_cpu_s, client_cores

_SCRIPT = """
local requests = { %s }
local next_one = 0
function request()
  next_one = next_one %% #requests + 1
  return requests[next_one]
end
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format('{"requests": %%d, "bad": %%d, "took_us": %%d, "p50_us": %%f, "p99_us": %%f}',
    summary.requests, bad, summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""


def available() -> bool:
    """Whether it is installed."""
    return shutil.which("wrk") is not None


def closed_loop(port: int, payloads: Sequence[bytes], connections: int, seconds: int) -> Load:
    """Whole requests over so many connections for so many seconds.

    Raises:
        RuntimeError: if one of them failed.
    """
    before_s = children_cpu_s()
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(_SCRIPT % ",".join(_lua(payload) for payload in payloads))
        command = [
            "taskset",
            "-c",
            ",".join(map(str, sorted(client_cores()))),
            "wrk",
            "-t",
            "1",
            "-c",
            str(connections),
        ]
        command += ["-d", f"{seconds}s", "--timeout", "60s", "-s", str(script), f"http://127.0.0.1:{port}/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {(done.stdout + done.stderr).strip()[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["bad"] or not found["requests"]:
        raise RuntimeError(f"{found['bad']} of {found['requests']} requests failed")
    took_s = found["took_us"] / 1e6
    return Load(found["requests"], took_s, found["p50_us"], found["p99_us"], children_cpu_s() - before_s)


def _lua(payload: bytes) -> str:
    """Bytes as a string of Lua."""
    return '"' + "".join(f"\\{byte:03d}" for byte in payload) + '"'
