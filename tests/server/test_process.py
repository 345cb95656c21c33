"""The control plane as a process: it starts, drains on SIGTERM, and does not let strangers in by mistake."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.ports import free_ports

from tidewheel.app import open_platform

_DEADLINE_S = 30.0


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tidewheel.server", "--home", str(home), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_live(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"not ready: {process.communicate(timeout=5)}")


def test_it_answers_and_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    port = free_ports()
    process = start(tmp_path, "--port", str(port))
    try:
        wait_until_live(f"http://127.0.0.1:{port}", process)
        assert "Tidewheel" in httpx.get(f"http://127.0.0.1:{port}/").text
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=_DEADLINE_S)
    finally:
        process.kill()
    assert (process.returncode in {0, -signal.SIGTERM}, errors) == (True, "")


def test_a_bind_beyond_this_machine_needs_a_token_first(tmp_path: Path) -> None:
    refused = start(tmp_path, "--host", "0.0.0.0", "--port", str(free_ports()))
    _, errors = refused.communicate(timeout=_DEADLINE_S)
    assert refused.returncode == 2
    assert "tidewheel tokens create" in errors
    assert "Traceback" not in errors


def test_beyond_this_machine_every_door_asks_for_the_token(tmp_path: Path) -> None:
    with open_platform(tmp_path) as platform:
        secret = platform.governance.create_token("ada", "admin").secret
    port = free_ports()
    process = start(tmp_path, "--host", "0.0.0.0", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_live(url, process)
        for path in ("/api/v1/loop/loops", "/", "/docs", "/metrics", "/live/state"):
            assert httpx.get(url + path).status_code == 401, path
        assert httpx.get(f"{url}/api/v1/loop/loops", headers={"Authorization": f"Bearer {secret}"}).json() == []
    finally:
        process.kill()
        process.communicate(timeout=_DEADLINE_S)


def test_a_head_without_end_is_cut_off(tmp_path: Path) -> None:
    port = free_ports()
    process = start(tmp_path, "--port", str(port))
    try:
        wait_until_live(f"http://127.0.0.1:{port}", process)
        with socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            with pytest.raises(ConnectionError):
                for _ in range(1000):
                    client.sendall(b"X: " + b"x" * 10_000 + b"\r\n")
    finally:
        process.kill()
        process.communicate(timeout=_DEADLINE_S)
