"""How long it takes to begin: importing, `--help`, and `tidewheel up` until a worker says that it is ready.

Targets: import under 150 ms, help under 250 ms, ready under 3 s on two cores. Medians of several fresh processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import urlopen

RUNS = 5


def main() -> None:
    """Measure and print."""
    nothing = median(timed([sys.executable, "-c", "pass"]) for _ in range(RUNS))
    imported = median(timed([sys.executable, "-c", "import tidewheel"]) for _ in range(RUNS))
    helped = median(timed([sys.executable, "-m", "tidewheel.cli", "--help"]) for _ in range(RUNS))
    print(f"python itself                      {nothing * 1e3:7.0f} ms")
    print(f"import tidewheel, beyond python    {(imported - nothing) * 1e3:7.0f} ms   target < 150")
    print(f"tidewheel --help                   {helped * 1e3:7.0f} ms   target < 250")
    first, again = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as home:
            first.append(ready_s(Path(home)))
            again.append(ready_s(Path(home)))
    print(f"tidewheel up, a new home           {median(first):7.2f} s    target < 3 (first 200 of /v2/health/ready)")
    print(f"tidewheel up, the same home again  {median(again):7.2f} s    target < 3")


def timed(command: list[str]) -> float:
    """Seconds of a whole process."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def ready_s(home: Path) -> float:
    """Seconds from starting `tidewheel up` to the first 200 of the workers' readiness."""
    (home / "up.json").unlink(missing_ok=True)  # one that was ended in the middle of its start leaves it
    begun = time.perf_counter()
    command = [sys.executable, "-m", "tidewheel.cli", "up", "--home", str(home), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        while not (home / "up.json").exists():
            time.sleep(0.005)
        address = json.loads((home / "up.json").read_text())["inference"] + "/v2/health/ready"
        while not _ready(address):
            time.sleep(0.005)
        return time.perf_counter() - begun
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait()


def _ready(address: str) -> bool:
    try:
        with urlopen(address, timeout=1) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False
