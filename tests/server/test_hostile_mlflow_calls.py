"""Whatever bytes come to an address of MLflow's, the answer is no 5xx, and an error has MLflow's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, example, given, settings, strategies as st
from tests.server.listening import listening

from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build
from tidewheel.server.mlflow.openapi import describe
from tidewheel.server.mlflow.protocol import CALLS

LOG_METRIC = "/api/2.0/mlflow/runs/log-metric"
JSON = {"content-type": "application/json"}
FIELDS = ["run_id", "key", "value", "timestamp", "step", "metrics", "params", "tags", "name", "max_results", "filter"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=20),
    st.sampled_from(["", "0", "NaN", "1e400", "a" * 10_000, "' OR 1=1 --", "metrics.a > 1", "../..", "\x00", "\ud800"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=4),
    max_leaves=12,
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=8).map(lambda body: json.dumps(body).encode()),
    values.map(lambda body: json.dumps(body).encode()),
)


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("home")
    with open_platform(home, Settings(environ={})) as platform, listening(build(platform)) as url:
        yield url


def check(answer: httpx.Response, sent: object) -> None:
    assert answer.status_code < 500, f"{answer.status_code} {answer.text[:300]} for {sent!r}"
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error_code", "message"}, answer.text[:300]


def test_any_bytes_are_answered(install: str) -> None:
    addresses = sorted({path for method, path in CALLS if method == "POST" and path.startswith("/api/2.0/mlflow/")})
    assert len(addresses) > 20
    with httpx.Client(base_url=install, timeout=30) as http:

        @given(address=st.sampled_from(addresses), body=bodies)
        @example(addresses[0], b"[" * 100_000)
        @example(addresses[0], b'{"a":' * 50_000)
        @example(addresses[0], b'{"run_id": "\\ud800"}')
        @example(LOG_METRIC, b'{"run_id": "x", "key": "k", "value": NaN, "timestamp": 1e999}')
        @example(
            "/api/2.0/mlflow/runs/log-metric",
            b'{"run_id": "x", "key": "k", "value": 1, "timestamp": 9999999999999999999999}',
        )
        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def send(address: str, body: bytes) -> None:
            check(http.post(address, content=body, headers=JSON), (address, body))

        send()


@pytest.mark.slow
def test_every_call_is_in_the_document_and_fails_at_nothing_of_its_schema(install: str) -> None:
    document = schemathesis.openapi.from_url(f"{install}/openapi.json")
    operations = [each.ok() for each in document.get_all_operations() if each.ok().path.startswith("/api/2.0/mlflow/")]
    paths, _ = describe()
    assert {operation.path for operation in operations} == {
        path for path in paths if path.startswith("/api/2.0/mlflow/")
    }
    for operation in operations:
        send_cases(operation)


def send_cases(operation: Any) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def send(case: schemathesis.Case) -> None:
        check(case.call(), case.as_curl_command())

    send()
