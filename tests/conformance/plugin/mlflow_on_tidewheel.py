"""A pytest plugin for MLflow's tests: where they start MLflow's server, a Tidewheel server starts on a fresh home.

Loaded by `tests.conformance.mlflow` into the process that runs MLflow's tests. MLflow's tests give a server and the
code under test one and the same SQLite file; so the tracking address of a test is that of its Tidewheel server.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from tidewheel_exclusions import Exclusions
from tidewheel_servers import Server, Servers, wait_for

# Files whose tests use MLflow's own SQLite file without a server: a Tidewheel server takes its place.
_WITHOUT_SERVER = ("tests/tracking/test_tracking.py", "tests/tracking/test_client.py", "tests/tracking/fluent/")
_MOCKS = {"mock_store", "mock_registry_store", "mock_databricks_tracking_store"}
_MOCKED = "A mock stands in for the store: no server is asked."

_exclusions = Exclusions()
_ended: dict[str, Counter[str]] = {}
_kept: list[Servers] = []
_running: list[pytest.Item] = []


class TidewheelThread:
    """Stands in for the tests' `ServerThread(app, port)`."""

    def __init__(self, *_given: Any, **_more: Any) -> None:
        self._server: Server | None = None

    def __enter__(self) -> str:
        import mlflow

        self._server = _servers().take()
        mlflow.set_tracking_uri(self._server.url)
        return self._server.url

    def __exit__(self, *_raised: Any) -> None:
        if self._server is not None:
            self._server.kill()


@contextmanager
def tidewheel_server(*_given: Any, **_more: Any) -> Iterator[str]:
    """Stands in for the tests' functions that start a server for a while."""
    with TidewheelThread() as url:
        yield url


def answers(address: str) -> None:
    """Stands in for `wait_until_ready(address)`, which gives a busy machine ten seconds."""
    wait_for(address)


def launch(_host: str, port: int, *_given: Any) -> Server:
    """Stands in for `_launch_server(host, port, ...)`."""
    return _servers().at(port)


def local_folder(uri: str) -> str:
    """Stands in for `local_file_uri_to_path(uri)`: a copy of what is kept at the address of a run's artifacts."""
    import mlflow

    path: str = mlflow.artifacts.download_artifacts(uri)
    return path


def _tracking_address(given: Callable[[str], AbstractContextManager[None]]) -> Callable[[str], Any]:
    """Stands in for `_use_tracking_uri(uri)` of the fixture that every test has."""

    @contextmanager
    def used(uri: str) -> Iterator[None]:
        if not _running[-1].nodeid.startswith(_WITHOUT_SERVER):
            with given(uri):
                yield
            return
        with tidewheel_server() as url, given(url), _in_place_of_sqlite(url):
            yield

    return used


@contextmanager
def _in_place_of_sqlite(url: str) -> Iterator[None]:
    """A test that makes itself an SQLite file and tracks there, tracks on the server."""
    import mlflow

    given = mlflow.set_tracking_uri
    mlflow.set_tracking_uri = lambda uri: given(url if str(uri).startswith("sqlite:") else uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri = given


def _reason(item: pytest.Item) -> str | None:
    return _MOCKED if _MOCKS & set(getattr(item, "fixturenames", ())) else _exclusions.reason(item.nodeid)


def _servers() -> Servers:
    if not _kept:
        _kept.append(Servers())
    return _kept[0]


@pytest.hookimpl(trylast=True)  # pytest's own plugins must be set up to say what goes wrong here
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
    """Put the stand-ins that lie in the tests' own files; leave out what `exclusions.toml` lists."""
    conftest = sys.modules["tests.conftest"]
    conftest._use_tracking_uri = _tracking_address(conftest._use_tracking_uri)
    for module, name, stand_in in (
        ("tests.webhooks.test_e2e", "_run_mlflow_server", tidewheel_server),
        ("tests.webhooks.test_e2e", "wait_until_ready", answers),
        ("tests.tracking.test_mlflow_artifacts", "_launch_server", launch),
        ("tests.tracking.test_tracking", "local_file_uri_to_path", local_folder),
    ):
        if module in sys.modules:
            setattr(sys.modules[module], name, stand_in)
    kept: list[pytest.Item] = []
    for item in items:
        reason = _reason(item)
        if reason is None:
            kept.append(item)
        else:
            _exclusions.counted[reason] += 1
            _count(item.nodeid, "excluded")
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Know which test the fixtures are for."""
    _running[:] = [item]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count how a test ended."""
    if report.when == "call" or report.outcome != "passed":
        _count(report.nodeid, report.outcome)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How each file ended, and what was left out for which reason."""
    terminalreporter.section("MLflow's tests against Tidewheel")
    for file, ends in sorted(_ended.items()):
        terminalreporter.line(f"{file}: " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
    for reason, count in _exclusions.counted.most_common():
        terminalreporter.line(f"{count:5} excluded: {reason}")


def _count(nodeid: str, end: str) -> None:
    _ended.setdefault(nodeid.partition("::")[0], Counter())[end] += 1
