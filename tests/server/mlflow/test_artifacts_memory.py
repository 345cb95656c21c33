"""A large artifact goes up and comes down while the server's memory stays what it was."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from blake3 import blake3
from tests.ports import free_ports

PIECE = bytes(range(256)) * 4096  # 1 MiB
SIZE_MB = int(os.environ.get("TIDEWHEEL_TEST_ARTIFACT_MB", "300"))
GROWTH_MB = 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, int]]:
    port = free_ports()
    command = [sys.executable, "-m", "tidewheel.server", "--home", str(tmp_path / "home"), "--port", str(port)]
    with subprocess.Popen(command) as process:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.TransportError:
                assert process.poll() is None
        yield url, process.pid
        process.terminate()


def peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def pieces() -> Iterator[bytes]:
    for number in range(SIZE_MB):
        yield number.to_bytes(8) + PIECE[8:]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_memory_stays_constant_for_a_large_artifact(server):
    url, pid = server
    address = f"{url}/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/big.bin"
    httpx.put(f"{address}.warm", content=PIECE * 4).raise_for_status()
    httpx.get(f"{address}.warm").raise_for_status()
    before = peak_mb(pid)
    began = time.monotonic()
    httpx.put(address, content=pieces(), timeout=600).raise_for_status()
    up_s = time.monotonic() - began
    sent, got = blake3(), blake3()
    for piece in pieces():
        sent.update(piece)
    began = time.monotonic()
    with httpx.stream("GET", address, timeout=600) as answer:
        for piece in answer.iter_raw():
            got.update(piece)
    down_s = time.monotonic() - began
    assert got.hexdigest() == sent.hexdigest()
    grown = peak_mb(pid) - before
    sys.stdout.write(f"{SIZE_MB} MB: up {SIZE_MB / up_s:.0f} MB/s, down {SIZE_MB / down_s:.0f} MB/s, +{grown:.1f} MB\n")
    assert grown < GROWTH_MB
