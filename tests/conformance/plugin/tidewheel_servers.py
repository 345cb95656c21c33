"""Tidewheel servers for MLflow's tests, one a test, each on a fresh home; `mlflow_on_tidewheel` hands them out.

They are forked from one process that has imported the server (`tidewheel_forks.py`), for a test should not wait for
imports; and one is always starting ahead. Nothing here knows Tidewheel but by its command line.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_DEADLINE_S = 60.0
_HERE = Path(__file__).parent


class Forks:
    """The process that servers are forked from."""

    def __init__(self) -> None:
        self.homes = Path(tempfile.mkdtemp(prefix="tidewheel-conformance-"))
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "TIDEWHEEL_HOME"}}
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "tidewheel_forks.py")],
            env=kept | {"PYTHONPATH": os.environ["TIDEWHEEL_SOURCE"], "TIDEWHEEL_REGISTRY_WEBHOOK_PRIVATE_HOSTS": "1"},
            cwd=self.homes,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def server(self, port: int | None = None) -> Server:
        """A server that starts, on a free port unless one is given."""
        home = Path(tempfile.mkdtemp(dir=self.homes))
        port = _free_port() if port is None else port
        given = ["--home", str(home), "--port", str(port)]
        asked, answered = self._process.stdin, self._process.stdout
        assert asked
        assert answered
        asked.write(json.dumps(given) + "\n")
        asked.flush()
        return Server(int(answered.readline()), f"http://127.0.0.1:{port}")

    def close(self) -> None:
        """End it, and with it what is left of its servers."""
        self._process.terminate()
        self._process.wait(_DEADLINE_S)
        shutil.rmtree(self.homes, ignore_errors=True)


class Server:
    """A Tidewheel server of one test."""

    def __init__(self, pid: int, url: str) -> None:
        self._pid = pid
        self.url = url

    def wait(self) -> Server:
        """Wait for the first answer."""
        wait_for(f"{self.url}/health/ready")
        return self

    def kill(self) -> None:
        """End it, soon."""
        os.kill(self._pid, signal.SIGTERM)


class Servers:
    """Hands out servers, and keeps one starting ahead."""

    def __init__(self) -> None:
        self.forks = Forks()
        self._starter = ThreadPoolExecutor(1)
        self._next = self._begin()

    def take(self) -> Server:
        """A server that answers."""
        ready = self._next
        self._next = self._begin()
        return ready.result()

    def at(self, port: int) -> Server:
        """A server that answers on this port."""
        return self._starter.submit(lambda: self.forks.server(port).wait()).result()

    def close(self) -> None:
        """End the one that waits, and the others."""
        self._next.result().kill()
        self._starter.shutdown()
        self.forks.close()

    def _begin(self) -> Future[Server]:
        return self._starter.submit(lambda: self.forks.server().wait())


def wait_for(address: str) -> None:
    """Wait until something answers at an address."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"Nothing answers at {address}.")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
