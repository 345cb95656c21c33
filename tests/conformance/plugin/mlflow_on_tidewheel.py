"""A pytest plugin for MLflow's tests: where they start MLflow's server, a Tidewheel server starts on a fresh home.

Loaded by `tests.conformance.mlflow` into the process that runs MLflow's tests; knows nothing of Tidewheel but its
command line. One server is always starting ahead, so that a test does not wait for its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

_EXCLUSIONS = Path(__file__).parent.parent / "exclusions.toml"
_DEADLINE_S = 60.0
_TIDEWHEEL = os.environ["TIDEWHEEL_SOURCE"]


class Server:
    """A Tidewheel server of one test."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="tidewheel-conformance-"))
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "TIDEWHEEL_HOME"}}
        command = [sys.executable, "-m", "tidewheel.server", "--home", str(self.home), "--port", str(port)]
        self.process = subprocess.Popen(command, env=kept | {"PYTHONPATH": _TIDEWHEEL}, cwd=self.home)

    def wait(self) -> Server:
        """Wait for the first answer."""
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                    return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("The Tidewheel server did not come up.")

    def stop(self) -> None:
        """End it, and forget its home."""
        self.process.terminate()
        self.process.wait(_DEADLINE_S)
        shutil.rmtree(self.home, ignore_errors=True)


class Servers:
    """Hands out servers, and keeps one starting ahead."""

    def __init__(self) -> None:
        self._starter = ThreadPoolExecutor(1)
        self._next: Future[Server] = self._starter.submit(lambda: Server().wait())

    def take(self) -> Server:
        """A server that answers."""
        ready = self._next
        self._next = self._starter.submit(lambda: Server().wait())
        return ready.result()

    def close(self) -> None:
        """End the one that waits."""
        self._next.result().stop()
        self._starter.shutdown()


class TidewheelThread:
    """Stands in for the tests' `ServerThread(app, port)`."""

    def __init__(self, *_given: Any, **_more: Any) -> None:
        self._server: Server | None = None

    def __enter__(self) -> str:
        self._server = _servers().take()
        return self._server.url

    def __exit__(self, *_raised: Any) -> None:
        if self._server is not None:
            self._server.stop()


@contextmanager
def tidewheel_server(*_given: Any, **_more: Any) -> Iterator[str]:
    """Stands in for the tests' `_init_server(...)`."""
    with TidewheelThread() as url:
        yield url


_kept: list[Servers] = []


def _servers() -> Servers:
    if not _kept:
        _kept.append(Servers())
    return _kept[0]


def pytest_configure(config: pytest.Config) -> None:
    """Put the stand-ins where the tests will import them from."""
    import sqlalchemy.pool

    # Gone in SQLAlchemy 2.1; MLflow's own server names it, which is imported here and never started.
    if not hasattr(sqlalchemy.pool, "FallbackAsyncAdaptedQueuePool"):
        sqlalchemy.pool.FallbackAsyncAdaptedQueuePool = sqlalchemy.pool.AsyncAdaptedQueuePool
    import mlflow.server.handlers as handlers
    import tests.tracking.integration_test_utils as utils

    handlers.initialize_backend_stores = lambda *_given, **_more: None
    utils.ServerThread = TidewheelThread
    utils._init_server = tidewheel_server


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server that waits for a test that does not come."""
    while _kept:
        _kept.pop().close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `exclusions.toml` lists; the report counts it as deselected."""
    rules = tomllib.loads(_EXCLUSIONS.read_text())["exclude"]
    patterns = [pattern for rule in rules for pattern in rule["tests"]]
    left_out = [item for item in items if any(fnmatchcase(item.nodeid, f"*{pattern}") for pattern in patterns)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]
